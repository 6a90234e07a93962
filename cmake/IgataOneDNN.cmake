# The oneDNN (2.6 or newer) that predictors link:
#   -DIGATA_ONEDNN=system (default)   the installed one; -DIGATA_ONEDNN_ROOT=<prefix> names another
#   -DIGATA_ONEDNN=static             one built from -DIGATA_ONEDNN_SOURCE_DIR=<dir>, with what the build's models need and no
#                                     more; kept in IGATA_ONEDNN_CACHE_DIR, so that it is built once for each set of settings
# The compiler itself always uses the system's.
include_guard(GLOBAL)
set(IGATA_ONEDNN system CACHE STRING "The oneDNN that predictors link: system or static")
set_property(CACHE IGATA_ONEDNN PROPERTY STRINGS system static)
set(IGATA_ONEDNN_SOURCE_DIR "" CACHE PATH "oneDNN's sources, for IGATA_ONEDNN=static")
set(IGATA_ONEDNN_CACHE_DIR ${CMAKE_BINARY_DIR}/igata_onednn/cache CACHE PATH "Where builds of oneDNN are kept")
set(_igata_onednn_script ${CMAKE_CURRENT_LIST_DIR}/build_onednn.cmake)

# Defines igata::onednn. By path, not by find_package(dnnl): Debian's package configuration insists on OpenCL's development
# files, which nothing here needs.
macro(_igata_find_onednn)
    find_path(IGATA_ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp HINTS ${IGATA_ONEDNN_ROOT}/include)
    find_library(IGATA_ONEDNN_LIBRARY dnnl HINTS ${IGATA_ONEDNN_ROOT}/lib)
    if(NOT IGATA_ONEDNN_INCLUDE_DIR OR NOT IGATA_ONEDNN_LIBRARY)
        message(FATAL_ERROR "Igata needs oneDNN 2.6 or newer: on Debian or Ubuntu `apt-get install libdnnl-dev`, "
                            "elsewhere pass -DIGATA_ONEDNN_ROOT=<prefix>")
    endif()
    if(NOT TARGET igata::onednn)
        add_library(igata::onednn UNKNOWN IMPORTED GLOBAL)
        set_target_properties(igata::onednn PROPERTIES
            IMPORTED_LOCATION ${IGATA_ONEDNN_LIBRARY}
            INTERFACE_INCLUDE_DIRECTORIES ${IGATA_ONEDNN_INCLUDE_DIR})
    endif()
endmacro()

# Links the library <target>, a predictor with THREADING <threading>, with oneDNN. `igata onednn-flags <arguments>`, run by
# <command>, tells what its model needs of a static one.
function(_igata_link_onednn target threading command depends arguments)
    if(IGATA_ONEDNN STREQUAL "system")
        _igata_find_onednn()
        target_link_libraries(${target} PRIVATE igata::onednn)
        return()
    elseif(NOT IGATA_ONEDNN STREQUAL "static")
        message(FATAL_ERROR "IGATA_ONEDNN is system or static, not '${IGATA_ONEDNN}'")
    elseif(NOT EXISTS "${IGATA_ONEDNN_SOURCE_DIR}/include/oneapi/dnnl/dnnl.hpp")
        message(FATAL_ERROR "IGATA_ONEDNN=static: no oneDNN in IGATA_ONEDNN_SOURCE_DIR '${IGATA_ONEDNN_SOURCE_DIR}'; "
                            "pass the folder that holds its sources")
    endif()
    _igata_static_onednn()
    set(flags ${CMAKE_CURRENT_BINARY_DIR}/igata/${target}/onednn_flags)
    add_custom_command(OUTPUT ${flags}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/igata/${target}
        COMMAND ${command} onednn-flags ${arguments} --threading ${threading} > ${flags}
        DEPENDS ${depends} COMMENT "Deriving what ${target} needs of oneDNN" VERBATIM)
    add_custom_target(${target}_onednn_flags DEPENDS ${flags})
    add_dependencies(igata_onednn_build ${target}_onednn_flags)
    add_dependencies(${target} igata_onednn_build)
    set_property(TARGET igata_onednn_build APPEND PROPERTY IGATA_FLAGS ${flags})
    if(threading STREQUAL "omp")
        set_property(TARGET igata_onednn_build PROPERTY IGATA_OPENMP TRUE)
    endif()
    target_link_libraries(${target} PRIVATE igata_onednn)
    # Two shared predictors in a program keep to their own copies.
    target_link_options(${target} PRIVATE $<$<STREQUAL:$<TARGET_PROPERTY:${target},TYPE>,SHARED_LIBRARY>:-Wl,--exclude-libs,libdnnl.a>)
endfunction()

# igata_onednn_build runs in each build, as only then the flags are known, and does nothing where the library is right.
macro(_igata_static_onednn)
    if(NOT TARGET igata_onednn)
        set(prefix ${CMAKE_BINARY_DIR}/igata_onednn)
        add_custom_target(igata_onednn_build
            COMMAND ${CMAKE_COMMAND} "-DFLAGS=$<TARGET_PROPERTY:igata_onednn_build,IGATA_FLAGS>"
                -DSOURCE=${IGATA_ONEDNN_SOURCE_DIR} -DCACHE=${IGATA_ONEDNN_CACHE_DIR} -DPREFIX=${prefix}
                -DGENERATOR=${CMAKE_GENERATOR} -DMAKE_PROGRAM=${CMAKE_MAKE_PROGRAM} -DTOOLCHAIN=${CMAKE_TOOLCHAIN_FILE}
                -DCXX=${CMAKE_CXX_COMPILER} -DCC=${CMAKE_C_COMPILER} -DCXX_FLAGS=${CMAKE_CXX_FLAGS}
                "-DLAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}" -P ${_igata_onednn_script}
            BYPRODUCTS ${prefix}/lib/libdnnl.a
            COMMENT "Checking the static oneDNN" VERBATIM USES_TERMINAL)
        add_library(igata_onednn INTERFACE)
        target_include_directories(igata_onednn SYSTEM INTERFACE ${prefix}/include)
        target_link_libraries(igata_onednn INTERFACE ${prefix}/lib/libdnnl.a ${CMAKE_DL_LIBS} pthread
            $<$<BOOL:$<TARGET_PROPERTY:igata_onednn_build,IGATA_OPENMP>>:$<LINK_ONLY:OpenMP::OpenMP_CXX>>)
        target_link_options(igata_onednn INTERFACE -Wl,--gc-sections)
    endif()
endmacro()
