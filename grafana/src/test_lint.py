"""The lint finds each defect that it is there for."""

import copy
import json
import unittest

import generate
import lint


class Lint(unittest.TestCase):
    """A good dashboard, spoilt in one place."""

    def setUp(self):
        self.good = json.loads(generate.texts()["cluster"])

    def spoilt(self, change):
        """What is found after a change to the first panel with a query and a link."""
        dashboard = copy.deepcopy(self.good)
        panel = next(panel for panel in dashboard["panels"] if panel.get("targets") and panel.get("links"))
        change(dashboard, panel)
        return " ".join(lint.problems(dashboard))

    def test_what_is_committed_has_no_problem(self):
        for name, text in generate.texts().items():
            self.assertEqual(lint.problems(json.loads(text)), [], name)

    def test_each_defect_is_found(self):
        def put(key, value):
            return lambda _, panel: panel.update({key: value})

        def query(**change):
            return lambda _, panel: panel["targets"][0].update(change)

        cases = [
            (put("title", ""), "no title"),
            (put("description", ""), "no description"),
            (put("targets", []), "shows nothing"),
            (put("datasource", {"uid": "prometheus"}), "data source is fixed"),
            (put("links", [{"url": "${runbooks}/nowhere.md"}]), "is no runbook"),
            (put("gridPos", {"x": 20, "y": 0, "w": 8, "h": 4}), "out of the 24 columns"),
            (put("gridPos", {"x": 0, "y": 1, "w": 6, "h": 4}), "it covers"),
            (put("id", 1), "same id"),
            (lambda _, panel: panel["fieldConfig"]["defaults"].pop("unit"), "no unit"),
            (query(legendFormat=""), "no legend"),
            (query(expr='up{job="x",namespace=~"$namespace"}'), "names a job"),
            (query(expr="up"), "follow the namespace"),
            (query(expr='up{namespace=~"$namespace",a="$b"}'), "unknown variable b"),
            (lambda dashboard, _: dashboard["templating"]["list"].pop(0), "no variable datasource"),
        ]
        for change, expected in cases:
            with self.subTest(expected):
                self.assertIn(expected, self.spoilt(change))


if __name__ == "__main__":
    unittest.main()
