// y = Relu(x) with plans for [1,4] and [2,6].
#include <cstdio>
#include <string>

#include "w.hpp"

#define CHECK(holds) \
    if (!(holds)) return std::printf("line %d: " #holds "\n", __LINE__), 1

int main() {
    static_assert(w::shape::x[1] == 4 && w::count::y == 4, "those of the first");
    static_assert(sizeof w::plans / sizeof *w::plans == 2 && w::plans[1].inputs.x[1] == 6, "the table");
    w::Predictor predictor;
    const float x[24] = {-1, 2, -3, 4, -5, 6, -7, 8, -9, 10, -11, 12, -1, 2, -3, 4, -5, 6, -7, 8, -9, 10, -11, 12};
    float y[24] = {};
    predictor.run(x, y);
    CHECK(y[1] == 2.0F && y[0] == 0.0F && y[5] == 0.0F);
    predictor.run(x, y, 3);
    CHECK(y[11] == 12.0F && y[13] == 0.0F);
    w::InputShapes shapes;
    shapes.x = {4, 6};
    CHECK(w::Predictor::output_shapes(shapes).y == shapes.x);
    predictor.run(shapes, x, y);
    CHECK(y[23] == 12.0F && y[22] == 0.0F);
    try {
        shapes.x = {3, 6};
        predictor.run(shapes, x, y);
        return 2;
    } catch (const w::Error& error) {
        const std::string message = error.what();
        CHECK(message ==
              "bad argument: no plan serves x [3,6]; there is x [1,4]; x [2,6]; and batches made up of these");
    }
    return 0;
}
