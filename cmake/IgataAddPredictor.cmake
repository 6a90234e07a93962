# igata_add_predictor(<target> MODEL <file.onnx>
#     [NAME <identifier>] [BIND <dim>=<v>[,<v>...] ...] [WEIGHTS literal|incbin|file] [PRECISION f32|bf16]
#     [THREADING seq|omp] [TUNED <file>] [EXECUTABLE] [SHARED] [REPORT] [TEST_DATA <dir>] [OPTIONS ...])
#
# Casts an ONNX model into C++ at build time and compiles it into the library <target>; link it and include <name>.h (C) or
# <name>.hpp (C++17). It is cast again when the model or the compiler changes.
#   NAME        C prefix and C++ namespace; default: <target>
#   BIND        values of symbolic dims, by symbol (N=1) or by input and axis (image:0=1); several values (N=1,8,32) make a plan for
#               each, or for every combination of those of several dims
#   WEIGHTS     literal: in the C++ file; incbin: in a file that the assembler includes (default); file: mapped at run time
#   PRECISION   f32 (default); bf16: convolutions and matrix products multiply bf16 where the processor has instructions for it and it
#               pays, f32 elsewhere; with TEST_DATA, the build prints the error that this makes
#   THREADING   omp (default): OpenMP; seq: compiled and linked without OpenMP, a run never uses more than the calling thread
#   TUNED       a file that `igata tune` wrote on the machine that the predictor is for: what runs its steps fastest there
#   EXECUTABLE  also builds the standalone predictor <name> (target <target>_predictor)
#   SHARED      a shared library instead of a static one
#   REPORT      also writes <name>.html
#   TEST_DATA   a ctest <target>_test_data that replays <dir>/test_data_set_*; with bf16, at rtol 0.05 and atol 0.05
#   OPTIONS     further arguments of `igata compile`
# -DIGATA_EXECUTABLE=<path> names the compiler to run, for cross-compiling. -DIGATA_ONEDNN=static: see IgataOneDNN.cmake.
include_guard(GLOBAL)
include(${CMAKE_CURRENT_LIST_DIR}/IgataOneDNN.cmake)

set(IGATA_EXECUTABLE "" CACHE FILEPATH "The igata to run instead of the one in the build tree or the package")

function(igata_add_predictor target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "EXECUTABLE;SHARED;REPORT" "MODEL;NAME;WEIGHTS;PRECISION;THREADING;TUNED;TEST_DATA"
                          "BIND;OPTIONS")
    _igata_check_arguments()
    set(name ${arg_NAME})
    set(folder ${CMAKE_CURRENT_BINARY_DIR}/igata/${target})
    _igata_find_compiler(command depends)

    set(binds "")
    foreach(bind IN LISTS arg_BIND)
        list(APPEND binds --bind ${bind})
    endforeach()
    set(tuned_option "")
    if(arg_TUNED)
        set(tuned_option --tuned ${tuned})
    endif()
    set(precision_option --precision ${arg_PRECISION})
    set(error_option "")
    if(arg_PRECISION STREQUAL "bf16" AND arg_TEST_DATA)
        set(error_option --data ${test_data})
    endif()
    set(outputs ${folder}/${name}.cpp ${folder}/${name}.h ${folder}/${name}.hpp ${folder}/${name}.json)
    if(NOT arg_WEIGHTS STREQUAL "literal")
        list(APPEND outputs ${folder}/${name}.bin)
    endif()
    add_custom_command(OUTPUT ${outputs}
        COMMAND ${command} compile ${model} -o ${folder} --name ${name} --weights ${arg_WEIGHTS} ${binds}
                ${tuned_option} ${precision_option} ${error_option} ${arg_OPTIONS}
        DEPENDS ${model} ${tuned} ${depends}
        COMMENT "Casting ${arg_MODEL} into ${name}.cpp" VERBATIM)

    _igata_add_library()
    if(arg_EXECUTABLE OR arg_TEST_DATA)
        _igata_add_executable()
    endif()
    if(arg_REPORT)
        add_custom_command(OUTPUT ${folder}/${name}.html
            COMMAND ${command} report ${model} -o ${folder}/${name}.html ${binds} ${tuned_option}
                    ${precision_option}
            DEPENDS ${model} ${tuned} ${depends} COMMENT "Reporting on ${arg_MODEL}" VERBATIM)
        add_custom_target(${target}_report ALL DEPENDS ${folder}/${name}.html)
    endif()
endfunction()

# The helpers are macros: they read and set the caller's variables.

macro(_igata_fail)
    message(FATAL_ERROR "igata_add_predictor(${target}): " ${ARGN})
endmacro()

macro(_igata_check_arguments)
    if(arg_UNPARSED_ARGUMENTS)
        _igata_fail("unknown argument: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(arg_KEYWORDS_MISSING_VALUES)
        _igata_fail("no value after ${arg_KEYWORDS_MISSING_VALUES}")
    endif()
    if(NOT arg_MODEL)
        _igata_fail("MODEL <file.onnx> is missing")
    endif()
    get_filename_component(model "${arg_MODEL}" ABSOLUTE)
    if(NOT EXISTS "${model}" OR IS_DIRECTORY "${model}")
        _igata_fail("no such file: ${model}")
    endif()
    set(tuned "")
    if(arg_TUNED)
        get_filename_component(tuned "${arg_TUNED}" ABSOLUTE)
        if(NOT EXISTS "${tuned}" OR IS_DIRECTORY "${tuned}")
            _igata_fail("no such file: ${tuned}, which `igata tune ${arg_MODEL} -o ${arg_TUNED}` would write")
        endif()
    endif()
    if(arg_TEST_DATA)
        get_filename_component(test_data "${arg_TEST_DATA}" ABSOLUTE)
        if(NOT IS_DIRECTORY "${test_data}")
            _igata_fail("no such folder: ${test_data}")
        endif()
    endif()
    if(NOT arg_NAME)
        set(arg_NAME ${target})
    endif()
    if(NOT arg_NAME MATCHES "^[A-Za-z][A-Za-z0-9_]*$")
        _igata_fail("'${arg_NAME}' is no C++ identifier: pass another NAME")
    endif()
    _igata_choice(WEIGHTS incbin literal file)
    _igata_choice(THREADING omp seq)
    _igata_choice(PRECISION f32 bf16)
    foreach(bind IN LISTS arg_BIND)
        if(NOT bind MATCHES "^.+=[0-9]+(,[0-9]+)*$")
            _igata_fail("BIND takes <dim>=<value>[,<value>...], not '${bind}'")
        endif()
    endforeach()
endmacro()

# One of the values; the first is the default.
macro(_igata_choice keyword)
    set(choices ${ARGN})
    if(NOT arg_${keyword})
        list(GET choices 0 arg_${keyword})
    endif()
    if(NOT arg_${keyword} IN_LIST choices)
        list(JOIN choices ", " choices)
        _igata_fail("${keyword} takes one of ${choices}, not '${arg_${keyword}}'")
    endif()
endmacro()

macro(_igata_find_compiler command depends)
    if(IGATA_EXECUTABLE)
        set(${command} ${IGATA_EXECUTABLE})
        set(${depends} ${IGATA_EXECUTABLE})
    elseif(TARGET igata)
        set(${command} $<TARGET_FILE:igata>)
        set(${depends} igata)
    elseif(TARGET igata::igata)
        set(${command} $<TARGET_FILE:igata::igata>)
        get_target_property(${depends} igata::igata LOCATION)
    else()
        _igata_fail("the compiler is not known: find_package(igata), add_subdirectory(igata), or pass -DIGATA_EXECUTABLE=<path>")
    endif()
endmacro()

macro(_igata_add_library)
    set(kind STATIC)
    if(arg_SHARED)
        set(kind SHARED)
    endif()
    add_library(${target} ${kind} ${outputs})
    target_include_directories(${target} SYSTEM INTERFACE ${folder})
    target_include_directories(${target} PRIVATE ${folder})
    target_compile_features(${target} PUBLIC cxx_std_17)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    # Optimised in every build type; no math function need set errno, which keeps loops from being vectorised.
    set_source_files_properties(${folder}/${name}.cpp PROPERTIES COMPILE_OPTIONS "-O2;-fno-math-errno")
    if(arg_WEIGHTS STREQUAL "incbin")
        string(TOUPPER ${name} upper)
        set_source_files_properties(${folder}/${name}.cpp PROPERTIES
            COMPILE_DEFINITIONS "IGATA_${upper}_BIN=\"${folder}/${name}.bin\"" OBJECT_DEPENDS ${folder}/${name}.bin)
    endif()
    _igata_link_onednn(${target} ${arg_THREADING} "${command}" "${model};${depends}" "${model};${binds};${precision_option}")
    if(arg_THREADING STREQUAL "omp")
        if(NOT TARGET OpenMP::OpenMP_CXX)
            find_package(OpenMP REQUIRED COMPONENTS CXX)
            set_target_properties(OpenMP::OpenMP_CXX PROPERTIES IMPORTED_GLOBAL TRUE)
        endif()
        target_link_libraries(${target} PRIVATE OpenMP::OpenMP_CXX)
    endif()
endmacro()

# <target>_predictor, and the command line that all predictors of the build share.
macro(_igata_add_executable)
    set(support ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/..)
    if(NOT TARGET igata_predictor_cli)
        find_path(IGATA_STB_INCLUDE_DIR stb/stb_image.h)
        if(NOT IGATA_STB_INCLUDE_DIR)
            _igata_fail("EXECUTABLE and TEST_DATA need stb_image: on Debian or Ubuntu `apt-get install libstb-dev`")
        endif()
        add_library(igata_predictor_cli STATIC EXCLUDE_FROM_ALL
            ${support}/runtime/predictor_cli.cpp ${support}/runtime/predictor_arguments.cpp
            ${support}/runtime/predictor_image.cpp ${support}/runtime/predictor_tensor.cpp
            ${support}/runtime/predictor_profile.cpp ${support}/runtime/predictor_peak.cpp)
        find_package(Threads REQUIRED)
        target_link_libraries(igata_predictor_cli PUBLIC Threads::Threads)
        target_include_directories(igata_predictor_cli PUBLIC ${support})
        target_include_directories(igata_predictor_cli SYSTEM PRIVATE ${IGATA_STB_INCLUDE_DIR})
        target_compile_features(igata_predictor_cli PUBLIC cxx_std_17)
        target_compile_options(igata_predictor_cli PRIVATE -O2)
    endif()
    configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/predictor_main.cpp.in ${folder}/${name}_main.cpp @ONLY)
    add_executable(${target}_predictor ${folder}/${name}_main.cpp)
    set_target_properties(${target}_predictor PROPERTIES OUTPUT_NAME ${name})
    target_link_libraries(${target}_predictor PRIVATE ${target} igata_predictor_cli)
    if(arg_TEST_DATA)
        set(weights_option "")
        if(arg_WEIGHTS STREQUAL "file")
            set(weights_option --weights ${folder}/${name}.bin)
        endif()
        set(tolerance "")
        if(arg_PRECISION STREQUAL "bf16")
            set(tolerance --rtol 0.05 --atol 0.05)
        endif()
        add_test(NAME ${target}_test_data COMMAND ${target}_predictor --verify ${test_data} ${tolerance} ${weights_option})
    endif()
endmacro()
