import numpy as np

from ftlgan.sources.synthetic.backdrop import backdrop


def test_a_backdrop_is_light_of_the_size_asked_for() -> None:
    for seed in range(20):
        picture = backdrop(250, np.random.default_rng(seed))
        assert picture.shape == (250, 250, 3)
        assert 0 <= picture.min() < picture.max() <= 1


def test_backdrops_differ_and_repeat() -> None:
    one, again, other = (backdrop(50, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).mean() > 0.01
