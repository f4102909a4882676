from tests.compress.harness import make_compressor, make_policy, make_rows, same_tensors


def test_it_leaves_every_tensor_as_it_is():
    policy = make_policy()
    result, report = make_compressor("float32").compress(policy, make_rows())
    assert same_tensors(result, policy)
    assert report["bytes_weights"] == report["bytes_weights_before"]
    assert report["parameters"] == 11 * 32 + 32 + 32 * 32 + 32 + 32 * 3 + 3
    assert report["bytes_weights"] == 4 * report["parameters"]


def test_it_says_that_nothing_was_calibrated():
    _, report = make_compressor("float32").compress(make_policy(), make_rows())
    assert report["calibration"] is None
    assert report["mode"] == "exact"
    assert report["bits_nominal"] == 32
    assert [layer["error"] for layer in report["layers"]] == [[0.0] * 3] * 3
