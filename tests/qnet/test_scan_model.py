"""The network of stage 2: the LSTM equations of the paper, the scan heads, padding, slice weights, its file."""

import numpy as np
import pytest
import torch

from qnet.networks.heads.models import MODELS, new_model, read_scan_model
from qnet.networks.heads.recurrent import Recurrent
from qnet.networks.weights import write_weights

SLICES, HIDDEN = 7, 6
HEADS = [head for head, model in MODELS.items() if issubclass(model, Recurrent)]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def embeddings():
    return torch.randn(3, SLICES, 512)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, weights):
    """Equations (1) to (5) of the paper, gate by gate: (T, d) → (T, H). torch keeps gates in the order i, f, c, o."""
    w, u, b1, b2 = weights
    wi, wf, wc, wo = np.split(w, 4)
    ui, uf, uc, uo = np.split(u, 4)
    bi, bf, bc, bo = np.split(b1 + b2, 4)
    h, c, outputs = np.zeros(u.shape[1]), np.zeros(u.shape[1]), []
    for step in x:
        i = sigmoid(wi @ step + ui @ h + bi)
        o = sigmoid(wo @ step + uo @ h + bo)
        f = sigmoid(wf @ step + uf @ h + bf)
        c = f * c + i * np.tanh(wc @ step + uc @ h + bc)
        h = o * np.tanh(c)
        outputs.append(h)
    return np.array(outputs)


def by_hand(model, scan):
    """Outputs (T, 2 H) of both directions for one scan, in double precision."""
    own = {name: value.detach().double().numpy() for name, value in model.lstm.named_parameters()}
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    x = scan.double().numpy()
    forward = lstm(x, [own[name] for name in names])
    backward = lstm(x[::-1], [own[f"{name}_reverse"] for name in names])[::-1]
    return np.hstack([forward, backward])


def linear(layer, x):
    return x @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()


def attention(model, outputs):
    """Equation 9 of arXiv:1802.04712, slice by slice."""
    v, u, w = (
        part.weight.detach().double().numpy()
        for part in (model.attention.value, model.attention.gate, model.attention.score)
    )
    scores = np.array([(w @ (np.tanh(v @ h) * sigmoid(u @ h))).item() for h in outputs])
    return np.exp(scores) / np.exp(scores).sum()


@pytest.mark.parametrize("head", HEADS)
def test_network_follows_the_equations(head, embeddings):
    model = new_model(head, HIDDEN, SLICES).double()
    images, scans = model(embeddings.double())
    for n, scan in enumerate(embeddings):
        outputs = by_hand(model, scan)
        read = {"concat": outputs.ravel, "mean": lambda o=outputs: o.mean(0)}
        read["attention"] = lambda o=outputs: attention(model, o) @ o
        np.testing.assert_allclose(images[n].detach(), linear(model.image_head, outputs), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(scans[n].detach(), linear(model.scan_head, read[head]()), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("head", HEADS)
def test_every_parameter_gets_gradient(head, embeddings):
    model = new_model(head, HIDDEN, SLICES)
    images, scans = model(embeddings)
    (images.square().sum() + scans.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_sizes_of_the_published_network():
    model = new_model("concat", 128, 20)
    assert sum(p.numel() for p in model.lstm.parameters()) == 657_408
    assert sum(p.numel() for p in model.scan_head.parameters()) == 10_242


@pytest.mark.parametrize("head", ["mean", "attention"])
def test_padding_changes_nothing(head, embeddings):
    model, lengths = new_model(head, HIDDEN, SLICES), torch.tensor([3, SLICES, 1])
    for n, length in enumerate(lengths):
        embeddings[n, length:] = torch.nan  # whatever stands there
    images, scans = model(embeddings, lengths)
    weights = model.slice_weights(embeddings, lengths)
    for n, length in enumerate(lengths):
        alone = embeddings[n : n + 1, :length]
        torch.testing.assert_close(images[n, :length], model(alone)[0][0])
        torch.testing.assert_close(scans[n], model(alone)[1][0])
        torch.testing.assert_close(weights[n, :length], model.slice_weights(alone)[0])
        assert (weights[n, length:] == 0).all()


def test_padding_gets_no_gradient():
    model, scans = new_model("attention", HIDDEN, SLICES), torch.randn(2, SLICES, 512, requires_grad=True)
    model(scans, torch.tensor([4, SLICES]))[1].sum().backward()
    assert (scans.grad[0, 4:] == 0).all()
    assert (scans.grad[0, :4] != 0).any()


@pytest.mark.parametrize("lengths", [None, [SLICES - 1] * 2])
def test_concat_refuses_another_number_of_slices(lengths):
    found = SLICES + 1 if lengths is None else SLICES
    lengths = None if lengths is None else torch.tensor(lengths)
    with pytest.raises(ValueError, match=rf"concat.*{SLICES} slices"):
        new_model("concat", HIDDEN, SLICES)(torch.randn(2, found, 512), lengths)


def test_unknown_head_is_refused():
    with pytest.raises(ValueError, match=r"head.*concat.*found 'max'"):
        new_model("max", HIDDEN, SLICES)


@pytest.mark.parametrize("head", HEADS)
def test_slice_weights_sum_to_one(head, embeddings):
    weights = new_model(head, HIDDEN, SLICES).slice_weights(embeddings)
    assert weights.shape == (3, SLICES)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(3))


def test_slice_weights_of_attention_are_those_of_its_pooling(embeddings):
    model = new_model("attention", HIDDEN, SLICES)
    expected = attention(model, by_hand(model, embeddings[0]))
    np.testing.assert_allclose(model.slice_weights(embeddings)[0], expected, rtol=1e-4)


@pytest.mark.parametrize("head", ["concat", "mean"])
def test_slice_weights_are_shares_of_the_logit_difference(head, embeddings):
    """A slice whose output is set to zero moves the difference of the logits by its contribution."""
    model = new_model(head, HIDDEN, SLICES)
    with torch.no_grad():
        outputs = model.lstm(embeddings[:1])[0]

        def difference(outputs):
            read = outputs.flatten(1) if head == "concat" else outputs.mean(1)
            return float(model.scan_head(read)[0] @ torch.tensor([-1.0, 1.0]))

        moved = []
        for t in range(SLICES):
            without = outputs.clone()
            without[:, t] = 0
            moved.append(abs(difference(outputs) - difference(without)))
    expected = np.array(moved) / sum(moved)
    np.testing.assert_allclose(model.slice_weights(embeddings)[0], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_file_gives_the_same_network(head, embeddings, tmp_path):
    model, path = new_model(head, HIDDEN, SLICES), tmp_path / "scan_model.safetensors"
    write_weights(path, model, {"head": head, "hidden_size": HIDDEN, "slices": SLICES, "epochs": 50})
    again, about = read_scan_model(path)
    assert torch.equal(again(embeddings)[1], model(embeddings)[1])
    assert about["epochs"] == 50
    assert not again.training
