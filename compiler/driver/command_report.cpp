#include <fmt/format.h>

#include "compiler/driver/driver.hpp"
#include "compiler/driver/report_page.hpp"

namespace igata {

ExitCode command_report(const ReportFlags& flags) {
    Remarks remarks;
    Graph graph = load_model(flags.model, remarks);
    const std::size_t nodes = graph.nodes.size();
    const std::vector<Plan> plans =
        make_plans(flags.model, std::move(graph), flags.pipeline, parse_bindings(flags.pipeline.bind), remarks);
    write_files(flags.file.parent_path().empty() ? "." : flags.file.parent_path(),
                {{flags.file.filename().string(), report_page(plans, nodes, remarks)}});
    return ExitCode::fine;
}

}  // namespace igata
