"""The register of stories: @story says what a test tells and what it needs."""
import importlib
import pkgutil
import re

REGISTER = []


class Story:
    """One test: a function of a World, under a name that can be selected."""

    def __init__(self, name, tells, run, timeout, long, root):
        self.name = name
        self.tells = tells
        self.run = run
        self.timeout = timeout
        self.long = long
        self.root = root


def story(tells, each=None, timeout=120, long=False, root=True):
    """Register a function of one World (and of one of `each`: a story per value).

    tells    what is being proved, with {} for the value;
    timeout  seconds until it counts as hung;
    long     only with --long;
    root     ordinary users skip it.
    """
    def register(function):
        base = f"{function.__module__.rsplit('.', 1)[-1]}.{function.__name__}"
        if each is None:
            REGISTER.append(Story(base, tells, function, timeout, long, root))
        for value in each or ():
            label = re.sub(r"[^A-Za-z0-9-]+", "-", str(value)).strip("-")
            REGISTER.append(Story(f"{base}.{label}", tells.format(value),
                                  lambda w, v=value: function(w, v), timeout, long, root))
        return function
    return register


def load(package):
    """Import every module of the package; returns all stories in order."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return REGISTER
