# IGATA_ONEDNN=static with a stand-in for oneDNN: one build for all predictors, with what they need, and only when that changes.
include(${CMAKE_CURRENT_LIST_DIR}/steps.cmake)
install_igata()
set(source ${WORK}/onednn)
set(build ${WORK}/build)
file(COPY ${CMAKE_CURRENT_LIST_DIR}/onednn_stand_in/ DESTINATION ${source})

function(build_with threading)
    run(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/static -B ${build} -DTHREADING=${threading}
        -DCMAKE_PREFIX_PATH=${prefix} -DMODELS=${MODELS} -DIGATA_ONEDNN=static -DIGATA_ONEDNN_SOURCE_DIR=${source})
    run(COMMAND ${CMAKE_COMMAND} --build ${build} OUTPUT built)
    set(built "${built}" PARENT_SCOPE)
endfunction()

# What the stand-in was configured with so far.
function(expect_record)
    file(STRINGS ${source}/record record)
    if(NOT "${record}" STREQUAL "${ARGN}")
        message(FATAL_ERROR "oneDNN was configured with\n  ${record}\nnot\n  ${ARGN}")
    endif()
endfunction()

set(seq "SEQ CONVOLUTION MATMUL REORDER")
set(omp "OMP CONVOLUTION MATMUL REORDER")
build_with(seq)
expect_record(${seq})
run(COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${build} --output-on-failure)
check_openmp(${build}/classifier FALSE)

build_with(seq)
expect_record(${seq})
if(built MATCHES "Linking|Building CXX")
    message(FATAL_ERROR "built again although nothing changed:\n${built}")
endif()

# One predictor with OpenMP: then oneDNN has it, too.
build_with(omp)
expect_record(${seq} ${omp})
run(COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${build} --output-on-failure)
check_openmp(${build}/more/libperceptron.so TRUE)
build_with(seq)
expect_record(${seq} ${omp})
