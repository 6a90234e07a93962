# Installs Igata, then builds and runs a consumer with the generator GENERATOR.
include(${CMAKE_CURRENT_LIST_DIR}/steps.cmake)
install_igata()
set(build ${WORK}/build)
run(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${build}
    -DCMAKE_PREFIX_PATH=${prefix} -DMODELS=${MODELS})
run(COMMAND ${CMAKE_COMMAND} --build ${build})
run(COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${build} --output-on-failure)
check_libraries(${build}/app)
check_libraries(${build}/classifier)

# Nothing is done again, until the model changes.
run(COMMAND ${CMAKE_COMMAND} --build ${build} OUTPUT again)
if(again MATCHES "Casting")
    message(FATAL_ERROR "cast again although nothing changed:\n${again}")
endif()
