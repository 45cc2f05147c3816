"""The ONNX graph: what it computes, what it is made of, what is refused."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import onnx
import pytest
from mindspore import nn
from onnx.reference import ReferenceEvaluator

from slimsr.exported.memory import bytes_per_pixel
from slimsr.exported.onnx_graph import NEWEST_OPSET, OPSET, OnnxGraph, Symbol, to_onnx
from slimsr.exported.onnx_half import to_half
from slimsr.exported.onnx_importers import IMPORTERS, problems
from slimsr.exported.onnx_rewrite import convolve_before_shuffle
from slimsr.exported.onnx_spelled_out import spell_out
from slimsr.models import create_model, list_models, resolve
from slimsr.models.widths import extract
from tests.networks import FORMS, OTHER_FORMS, assert_same, one_scale, picture, small
from tests.networks import SMALL as SMALL_FORMS

SMALL = {"edsr": {"n_feats": 8, "n_blocks": 2, "res_scale": 0.1}}


def model_of(graph, nodes, output):
    """Return a model of nodes from ``lr`` to a symbol, with the graph's constants."""
    value = onnx.helper.make_tensor_value_info
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            nodes,
            "g",
            [value("lr", 1, [None] * 4)],
            [value(output.name, 1, [None] * 4)],
            graph.constants,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )


def run(model: onnx.ModelProto, picture: np.ndarray) -> np.ndarray:
    return ReferenceEvaluator(model).run(None, {"lr": picture})[0]


@pytest.mark.parametrize(
    ("form", "scale"),
    [
        # ONNX's reference in Python is slow: of forms that add nothing one scale.
        pytest.param(form, scale, marks=pytest.mark.slow if other else ())
        for form, scale in FORMS
        for other in [form in OTHER_FORMS and scale != one_scale(form)]
    ],
)
def test_every_network_gives_the_same_from_onnx(form, scale):
    net = small(form, scale)
    widths = net.realisable_widths()
    for width in {1.0, widths[0], widths[len(widths) // 2]}:
        model = to_onnx(extract(net, width))
        for shape in ((1, 3, 4, 6), (3, 3, 5, 4)):
            x = picture(*shape)
            assert_same(run(model, x), net(ms.Tensor(x), width).asnumpy())


@pytest.mark.parametrize("form", SMALL_FORMS)
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # of ONNX's own sigmoid
def test_every_network_gives_nearly_the_same_in_float16(form):
    net = small(form, one_scale(form))
    x = picture(1, 3, 12, 14)
    model = to_half(to_onnx(net))
    kinds = {constant.data_type for constant in model.graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds
    ends = (*model.graph.input, *model.graph.output)
    assert {end.type.tensor_type.elem_type for end in ends} == {onnx.TensorProto.FLOAT}
    expected = net(ms.Tensor(x)).asnumpy()
    assert np.abs(run(model, x) - expected).max() <= 5e-3 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("form", "opset"),
    [
        *((form, NEWEST_OPSET) for form in SMALL_FORMS),
        *(("idn", opset) for opset in range(OPSET + 1, NEWEST_OPSET)),  # it has a Split and a Pad
    ],
)
def test_every_network_gives_the_same_in_every_opset(form, opset):
    net = small(form, one_scale(form))
    x = picture(1, 3, 4, 6)
    model = to_onnx(net, opset=opset)
    assert [imported.version for imported in model.opset_import] == [opset]
    assert_same(run(model, x), net(ms.Tensor(x)).asnumpy())


@pytest.mark.parametrize("form", SMALL_FORMS)
def test_a_shuffle_by_transposes_gives_the_same(form):
    net = small(form, one_scale(form))
    shape = (2, 3, 5, 4)
    expected = run(to_onnx(net), picture(*shape))
    for sizes in ((None, 3, None, None), shape):
        model = to_onnx(net, sizes, shuffle="transposes")
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        assert all(len(v.type.tensor_type.shape.dim) <= 4 for v in inferred.value_info)
        assert "DepthToSpace" not in {node.op_type for node in model.graph.node}
        np.testing.assert_array_equal(run(model, picture(*shape)), expected)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_border_is_repeated_pixel_by_pixel(times):
    """MindSpore Lite takes mode edge for a reflection, of which one pixel is the border's."""
    graph = OnnxGraph()
    lr = Symbol(graph, "lr")
    padded = graph.node("Pad", [lr, np.array([0, 0, times, 1, 0, 0, 0, times])], mode="edge")
    nodes = spell_out(graph.nodes, graph.constants)
    pads = [onnx.numpy_helper.to_array(constant) for constant in graph.constants]
    assert len(nodes) == len(pads) == len({node.input[1] for node in nodes}) == times
    assert all(set(array) <= {0, 1} for array in pads)
    model = model_of(graph, nodes, padded)
    x = picture(1, 3, 4, 5)
    expected = np.pad(x, ((0, 0), (0, 0), (times, 0), (1, times)), "edge")
    np.testing.assert_array_equal(run(model, x), expected)


@pytest.mark.parametrize("form", SMALL_FORMS)
def test_every_importer_takes_it(form):
    net = small(form, one_scale(form))
    for importer in IMPORTERS:
        by_transposes = importer.refused.keys() & {"DepthToSpace"}
        shuffle = "transposes" if by_transposes else "depth_to_space"
        model = to_onnx(net, (1, 3, 17, 22), shuffle=shuffle)
        assert problems(model, importer) == []
        assert not {node.op_type for node in model.graph.node} & {"Shape", "Less", "Where"}


def test_what_an_importer_would_refuse_is_said():
    lite = next(importer for importer in IMPORTERS if importer.name == "MindSpore Lite")
    graph = OnnxGraph()
    lr = Symbol(graph, "lr")
    x = graph.node("Pad", [lr, np.array([0, 0, 2, 2] * 2)], mode="edge")
    x = graph.node("Conv", [x, np.zeros((1, 3, 1, 1))], group=1)
    x = graph.node("Einsum", [x], equation="nchw->nchw")
    value = onnx.helper.make_tensor_value_info
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "g",
            [value("lr", 1, [None] * 4)],
            [value(x.name, 1, [None] * 4)],
            graph.constants,
        ),
    )
    assert problems(model, lite) == [
        "Pad pad_0: its border is of more than one pixel, or shares its constant",
        "Conv conv_1: without dilations, kernel_shape, pads, strides",
        "Einsum einsum_2: an operator that was never tried",
    ]


@pytest.mark.parametrize("form", SMALL_FORMS)
def test_convolutions_are_written_in_full(form):
    """OpenCV refuses what has no kernel_shape, though ONNX allows it."""
    net = small(form, one_scale(form))
    graph = to_onnx(net).graph
    weights = {constant.name: list(constant.dims) for constant in graph.initializer}
    convolutions = [n for n in graph.node if n.op_type in ("Conv", "ConvTranspose")]
    assert len(convolutions) >= 3
    for node in convolutions:
        found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        full = {"kernel_shape", "pads", "strides", "dilations", "group"}
        assert found.keys() - {"output_padding"} == full
        if form != "idn":  # whose last layer leaves out more at the end than at the start
            assert found["pads"] == found["pads"][:1] * 4  # OpenCV 4 takes no others
        assert found["kernel_shape"] == weights[node.input[1]][2:]
        assert len(found["pads"]) == 4 and len(found["strides"]) == len(found["dilations"]) == 2


def test_every_network_is_tried():
    assert {resolve(*SMALL_FORMS[form])[0] for form, _ in FORMS} == set(list_models())


@pytest.mark.parametrize("form", SMALL_FORMS)
def test_no_tensor_has_more_than_four_axes(form):
    model = to_onnx(small(form, one_scale(form)))
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    for value in inferred.value_info:
        assert len(value.type.tensor_type.shape.dim) <= 4


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_outputs_of_the_release(golden_edsr, scale):
    data, net = golden_edsr(scale)
    for width in (1.0, 0.75, 0.5, 0.25):
        expected = data[f"output/{width}"]
        found = run(to_onnx(extract(net, width)), data["input"])
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_what_the_file_says():
    model = to_onnx(create_model("edsr", scale=4, **SMALL["edsr"]))
    onnx.checker.check_model(model, full_check=True)
    assert OPSET >= 11 and [o.version for o in model.opset_import] == [OPSET]
    operators = [node.op_type for node in model.graph.node]
    assert set(operators) == {"Add", "Conv", "Relu", "Mul", "DepthToSpace", "Identity"}
    assert operators.count("Conv") == 1 + 2 * 2 + 1 + 2 + 1
    shuffles = [n for n in model.graph.node if n.op_type == "DepthToSpace"]
    for node in shuffles:
        mode = {a.name: a for a in node.attribute}["mode"].s
        assert mode == b"CRD"
    (lr,), (sr,) = model.graph.input, model.graph.output
    assert (lr.name, sr.name) == ("lr", "sr")
    dims = lr.type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["N", 3, "H", "W"]


def test_a_fixed_size():
    model = to_onnx(create_model("edsr", scale=3, **SMALL["edsr"]), (2, 3, 8, 6))
    for value, shape in (
        (model.graph.input[0], [2, 3, 8, 6]),
        (model.graph.output[0], [2, 3, 24, 18]),
    ):
        assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == shape


class Foreign(nn.Cell):
    """A network with a layer of MindSpore that has no description."""

    scale = 1

    def __init__(self, layer: nn.Cell):
        super().__init__()
        self.layer = layer

    def construct(self, x):
        return self.layer(x)


def test_a_layer_without_description_is_named_and_nothing_is_left_patched():
    call = nn.Cell.__call__
    with pytest.raises(TypeError, match="GELU has no ONNX description"):
        to_onnx(Foreign(nn.GELU()))
    assert nn.Cell.__call__ is call


def test_a_layer_that_describes_itself_plugs_in():
    class Halve(nn.Cell):
        def construct(self, x):
            return x * 0.5

        def to_onnx(self, graph, x):
            return graph.node("Div", [x, 2.0])

    x = picture(1, 3, 2, 2)
    np.testing.assert_array_equal(run(to_onnx(Foreign(Halve())), x), x / 2)


def test_memory_of_the_feature_maps_by_hand():
    # Before and after the first shuffle of x4 there is 1 + 1, at the second convolution of the
    # upsampler 64 channels of 4 pixels and 256 of 4; what follows has 12 channels of 4.
    assert bytes_per_pixel(to_onnx(create_model("edsr", scale=4))) == 4 * (64 * 4 + 256 * 4)
    narrow = extract(create_model("edsr", scale=4), 0.25)
    assert bytes_per_pixel(to_onnx(narrow)) == 4 * (16 * 4 + 64 * 4)


def shuffled(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, factor: int, rewrite: bool):
    """A shuffle and a convolution through ONNX, rewritten or not; and the operators."""
    graph = OnnxGraph()
    lr = Symbol(graph, "lr")
    pad = weight.shape[2] // 2
    hr = graph.node("DepthToSpace", [lr], blocksize=factor, mode="CRD")
    hr = graph.node("Conv", [hr, weight, bias], pads=[pad] * 4)
    nodes = convolve_before_shuffle(graph.nodes, graph.constants) if rewrite else graph.nodes
    model = model_of(graph, nodes, hr)
    onnx.checker.check_model(model, full_check=True)
    return run(model, x), [node.op_type for node in nodes], len(graph.constants)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("size", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("channels", [1, 5])
def test_a_convolution_before_the_shuffle_is_the_same(factor, size, channels):
    out = 16 // factor**2
    rng = np.random.default_rng(size)
    weight = rng.normal(size=(out, channels, size, size)).astype(np.float32)
    bias = rng.normal(size=out).astype(np.float32)
    for height, width in ((1, 1), (2, 5), (6, 3)):
        x = rng.normal(size=(2, channels * factor**2, height, width)).astype(np.float32)
        expected, before, _ = shuffled(x, weight, bias, factor, rewrite=False)
        found, after, constants = shuffled(x, weight, bias, factor, rewrite=True)
        assert before == ["DepthToSpace", "Conv"] and after == ["Conv", "DepthToSpace"]
        assert constants == 2  # the old weights are gone
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_many_channels_stay_after_the_shuffle():
    x = np.zeros((1, 16, 2, 2), np.float32)
    weight, bias = np.zeros((5, 4, 3, 3), np.float32), np.zeros(5, np.float32)
    assert shuffled(x, weight, bias, 2, rewrite=True)[1] == ["DepthToSpace", "Conv"]
