# What igata_add_predictor says to wrong calls.
include(${CMAKE_CURRENT_LIST_DIR}/steps.cmake)
install_igata()

function(expect_refusal text)
    run(COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/refused -B ${WORK}/refused -DCMAKE_PREFIX_PATH=${prefix}
        "-DCALL=${ARGN}" ${options} FAILS_WITH "${text}")
endfunction()

set(model ${MODELS}/perceptron/model.onnx)
expect_refusal("igata_add_predictor(p): no such file: ${WORK}/none.onnx" p MODEL ${WORK}/none.onnx)
expect_refusal("igata_add_predictor(p): MODEL <file.onnx> is missing" p)
expect_refusal("igata_add_predictor(p): unknown argument: FAST" p FAST MODEL ${model})
expect_refusal("igata_add_predictor(p): no value after WEIGHTS" p MODEL ${model} WEIGHTS)
expect_refusal("igata_add_predictor(p): WEIGHTS takes one of incbin, literal, file, not 'xml'" p MODEL ${model} WEIGHTS xml)
expect_refusal("igata_add_predictor(p): THREADING takes one of omp, seq, not 'tbb'" p MODEL ${model} THREADING tbb)
expect_refusal("igata_add_predictor(p): PRECISION takes one of f32, bf16, not 'f16'" p MODEL ${model} PRECISION f16)
expect_refusal("igata_add_predictor(p-q): 'p-q' is no C++ identifier: pass another NAME" p-q MODEL ${model})
expect_refusal("igata_add_predictor(p): BIND takes <dim>=<value>[,<value>...], not 'N'" p MODEL ${model} BIND N)
expect_refusal("igata_add_predictor(p): no such folder: ${WORK}/none" p MODEL ${model} TEST_DATA ${WORK}/none)
expect_refusal("igata_add_predictor(p): no such file: ${WORK}/p.tuned, which `igata tune ${model} -o ${WORK}/p.tuned` would write"
    p MODEL ${model} TUNED ${WORK}/p.tuned)
set(options -DIGATA_ONEDNN=shared)
expect_refusal("IGATA_ONEDNN is system or static, not 'shared'" p MODEL ${model})
set(options -DIGATA_ONEDNN=static)
expect_refusal("IGATA_ONEDNN=static: no oneDNN in IGATA_ONEDNN_SOURCE_DIR ''; pass the folder that holds its sources" p MODEL ${model})
set(options -DIGATA_ONEDNN=static -DIGATA_ONEDNN_SOURCE_DIR=${WORK})
expect_refusal("no oneDNN in IGATA_ONEDNN_SOURCE_DIR '${WORK}'" p MODEL ${model})

# What only the compiler can tell comes when building, and the compiler's own message is seen.
run(COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/refused -B ${WORK}/unbound -DCMAKE_PREFIX_PATH=${prefix}
    "-DCALL=p;MODEL;${MODELS}/open_width.onnx")
run(COMMAND ${CMAKE_COMMAND} --build ${WORK}/unbound FAILS_WITH "--bind W=")
