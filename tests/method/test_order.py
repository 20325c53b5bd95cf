"""The order in which a module uses its parts, read from source."""

from torch import nn

from progbench.method.order import order_of_use, used_before


class Net(nn.Module):
    """Registered from last to first."""

    def __init__(self):
        super().__init__()
        self.norm, self.blocks = nn.LayerNorm(2), nn.ModuleList([nn.Linear(2, 2)])
        self.position, self.words = nn.Embedding(3, 2), nn.Embedding(3, 2)

    def embedded(self, ids):
        return self.words(ids) + self.position(ids)

    def forward(self, ids):
        depth = len(self.blocks)
        x = self.embedded(ids)
        for block in self.blocks[:depth]:
            x = block(x)
        return self.norm(x)


def test_methods_are_read_where_they_are_called():
    assert order_of_use(Net()) == ["blocks", "words", "position", "blocks", "norm"]


def test_what_goes_into_a_call_is_used_before_what_is_called():
    class Nested(Net):
        def forward(self, ids):
            return self.norm(self.blocks[0](self.words(ids)))

    assert order_of_use(Nested()) == ["words", "blocks", "norm"]


def test_to_ask_for_a_lists_length_is_not_to_use_it():
    assert used_before(Net(), "words", {"blocks"})
    assert not used_before(Net(), "norm", {"blocks"})


def test_without_source_the_order_of_registration_decides():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    made = type("Made", (nn.Module,), {"forward": eval("lambda self, x: x")})()
    made.first, made.second = net[0], net[1]

    assert order_of_use(made) == []
    assert used_before(made, "first", {"second"})
    assert not used_before(made, "second", {"first"})


def test_to_ask_a_part_for_its_configuration_is_not_to_use_it():
    class Asked(Net):
        def forward(self, ids):
            x = self.norm(self.blocks[0](self.words(ids)))
            return x if self.blocks.config else None

    assert order_of_use(Asked()) == ["words", "blocks", "norm"]
