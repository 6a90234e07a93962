# cmake -DROOT=dir -DOUTPUT=file -DFILES=a|b -P embed.cmake: writes C++ that defines igata::embedded_files(), so that the
# tool carries the runtime and the templates within itself.
string(REPLACE "|" ";" FILES "${FILES}")
set(rows "")
foreach(file IN LISTS FILES)
    file(READ "${ROOT}/${file}" text)
    string(APPEND rows "    {\"${file}\", R\"igata_embed(${text})igata_embed\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"compiler/emit/embedded.hpp\"

namespace igata {

static const EmbeddedFile files[] = {
${rows}};

std::span<const EmbeddedFile> embedded_files() { return files; }

}  // namespace igata
")
