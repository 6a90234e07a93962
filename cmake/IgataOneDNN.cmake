# Defines igata::onednn. By path, not by find_package(dnnl): Debian's package configuration insists on OpenCL's development
# files, which nothing here needs. -DIGATA_ONEDNN_ROOT=DIR names another oneDNN (2.6 or newer).
include_guard(GLOBAL)
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
