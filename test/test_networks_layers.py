import torch

from asynfusion_ros.networks.layers import AudioEncoder, DiTBlock, attend, modulate, sinusoidal


def test_attention_is_softmax_of_scaled_products():
    q, k, v = torch.randn(3, 2, 5, 8)
    heads = 2
    expected = []
    for h in range(heads):
        part = slice(4 * h, 4 * h + 4)
        weights = (q[..., part] @ k[..., part].transpose(1, 2) / 4**0.5).softmax(dim=-1)
        expected.append(weights @ v[..., part])
    torch.testing.assert_close(attend(q, k, v, heads), torch.cat(expected, dim=-1))


def test_modulation_shifts_and_scales_a_normalised_input():
    x = torch.randn(2, 3, 16) * 7.0 + 4.0
    shift, scale = torch.randn(2, 2, 1, 16)
    plain = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(modulate(x, shift, scale), plain * (1 + scale) + shift)


def test_sinusoids_tell_positions_apart_and_lie_on_circles():
    table = sinusoidal(torch.arange(60), 32)
    torch.testing.assert_close(table[:, :16] ** 2 + table[:, 16:] ** 2, torch.ones(60, 16))
    assert torch.cdist(table, table).add(torch.eye(60)).min() > 0.1


def test_block_with_closed_gates_passes_tokens_and_audio():
    block = DiTBlock(width=8, heads=2, mlp_ratio=2.0, dropout=0.0)
    x, audio = torch.randn(2, 2, 5, 8)
    shift, scale, zero = torch.ones(1, 8), torch.ones(1, 8), torch.zeros(1, 8)
    out = block(x, audio, (shift, scale, zero, shift, scale, zero))
    torch.testing.assert_close(out, x + audio)
    opened = block(x, audio, (shift, scale, shift, shift, scale, zero))
    assert not torch.allclose(opened, x + audio)


def test_audio_encoder_keeps_the_number_of_frames():
    assert AudioEncoder(7, 8)(torch.randn(2, 9, 7)).shape == (2, 9, 8)


def test_dropout_acts_in_training_only():
    block = DiTBlock(width=8, heads=2, mlp_ratio=2.0, dropout=0.5)
    x = torch.randn(1, 5, 8)
    one = tuple(torch.ones(1, 1, 8) for _ in range(6))
    run = lambda: block(x, torch.zeros_like(x), one)  # noqa: E731
    assert not torch.equal(run(), run())
    block.eval()
    assert torch.equal(run(), run())
