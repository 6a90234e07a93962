# Installs Igata, then builds and runs a consumer with the generator GENERATOR.
include(${CMAKE_CURRENT_LIST_DIR}/steps.cmake)
install_igata()
set(build ${WORK}/build)
file(COPY ${MODELS} DESTINATION ${WORK})
run(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${build}
    -DCMAKE_PREFIX_PATH=${prefix} -DMODELS=${WORK}/models)
run(COMMAND ${CMAKE_COMMAND} --build ${build})
run(COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${build} --output-on-failure)
check_libraries(${build}/app)
check_libraries(${build}/classifier)
check_openmp(${build}/classifier TRUE)
check_openmp(${build}/libperceptron_in_file.so FALSE)

# Nothing is done again, until the model changes.
run(COMMAND ${CMAKE_COMMAND} --build ${build} OUTPUT again)
if(again MATCHES "Casting")
    message(FATAL_ERROR "cast again although nothing changed:\n${again}")
endif()
file(TOUCH ${WORK}/models/perceptron/model.onnx)
run(COMMAND ${CMAKE_COMMAND} --build ${build} --target perceptron_in_file OUTPUT again)
if(NOT again MATCHES "Casting" OR again MATCHES "classifier.cpp")
    message(FATAL_ERROR "the touched model, and only it, should have been cast again:\n${again}")
endif()
