"""Two teams change their keys over one far store, in every order of their steps: no artifact is lost, and none is useless."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from neuronbuild.api import Settings
from neuronbuild.api.caring import verify
from neuronbuild.api.sharing import pull, push
from neuronbuild.api.signing import sign_store
from neuronbuild.api.trusting import open_trust
from neuronbuild.store.location import Remote, open_layers, open_store
from neuronbuild.store.trust import make_key
from tests.tools.fault_matrix import note
from tests.unit.store.artifacts import key_of, put

SAMPLE = 25
TEAMS = ("one", "two")
STEPS = ("trust the new keys", "sign with the new one", "drop the old keys")
ORDERS = sorted(itertools.permutations(itertools.product(TEAMS, STEPS)))
"""The steps of both teams in all their orders: nobody is told to wait for anybody, not even for a step of one's own."""


@dataclass
class Team:
    """A machine with its near store, and what its workspace says of keys. `number` is of the artifact that it builds first."""

    settings: Settings
    keys: Keys
    name: str
    number: int

    def do(self, step: str) -> None:
        if step == "trust the new keys":
            self.settings = replace(self.settings, trusted_keys=(*self.settings.trusted_keys, *self.keys.new))
        elif step == "sign with the new one":
            self.settings = replace(self.settings, signing_key=self.keys.folder / f"{self.name}-new")
            sign_store(self.settings, far=False)
            sign_store(self.settings, far=True)
        else:
            kept = tuple(key for key in self.settings.trusted_keys if key not in self.keys.old)
            self.settings = replace(self.settings, trusted_keys=kept)
        self.work()

    def work(self) -> None:
        """What goes on between the steps: builds, pushes, pulls, and repairs of both stores."""
        store = open_layers(self.settings.cache, self.settings.remotes, trust=open_trust(self.settings))
        for number in (1, 2):
            if store.known([key_of(number)]).get(key_of(number), "") is not None:
                put(store, number, 40 + self.number)
        store.close()
        push(None, self.settings)
        pull(None, self.settings)
        verify(self.settings, repair=True, far=True)


@dataclass
class Keys:
    """Private keys in files of a folder, `TEAM-old` and `TEAM-new`, and the public ones."""

    folder: Path
    old: tuple[str, ...]
    new: tuple[str, ...]


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Keys:
    """Two keys of each team: it trusts the other's as well."""
    folder = tmp_path_factory.mktemp("keys")
    old, new = (tuple(make_key(folder / f"{team}-{age}") for team in TEAMS) for age in ("old", "new"))
    return Keys(folder, old, new)


def change_keys(order, keys: Keys, folder: Path) -> None:
    far = open_store(str(folder / "far")).objects
    teams = {}
    for number, name in enumerate(TEAMS, 1):
        settings = replace(
            Settings(),
            cache=str(folder / name),
            remotes=(Remote(far.location),),
            scratch=folder / "scratch",
            trusted_keys=keys.old,
            signing_key=keys.folder / f"{name}-old",
        )
        teams[name] = Team(settings, keys, name, number)
        put(open_store(settings.cache, open_trust(settings)), number)
        push(None, settings)
    names = {entry.name for entry in far.list("v1/")}
    for team, step in order:
        teams[team].do(step)
        assert names <= {entry.name for entry in far.list("v1/")}, (team, step)
    for each in teams.values():
        assert_usable(each.settings, keys)
    note("a far store of two teams", "keys changed in any order", ORDERS.index(order), len(ORDERS), "absorbed")


def assert_usable(settings: Settings, keys: Keys) -> None:
    """Whoever trusts all keys finds every artifact whole; once that one has signed them, so do all who trust the new ones."""
    both = replace(settings, trusted_keys=keys.old + keys.new)
    sign_store(both, far=True)
    for each in (both, replace(both, trusted_keys=keys.new)):
        far = open_store(each.remotes[0].location, open_trust(each))
        assert far.known([key_of(1), key_of(2)]) == {key_of(1): None, key_of(2): None}
    assert [(report.untrusted, report.damages) for report in verify(both, repair=False)] == [(0, ()), (0, ())]


def test_there_are_as_many_orders_as_there_should_be():
    assert len(ORDERS) == 720


@pytest.mark.parametrize("order", random.Random(0).sample(ORDERS, SAMPLE))
def test_no_order_of_a_key_change_loses_an_artifact(order, keys, tmp_path):
    change_keys(order, keys, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("order", ORDERS)
def test_no_order_at_all_loses_an_artifact(order, keys, tmp_path):
    change_keys(order, keys, tmp_path)
