"""What the original's own tester and client do, against two nodes: form posts, JSON answers, pickled lists.

Usage: client.py NODE_URL OTHER_NODE_URL; exits with 0 if every answer is as the original's clients expect it.
"""

import pickle
import sys
import time

import requests

node, other = sys.argv[1:3]


def get(base, path):
    return requests.get(f"{base}/api/{path}", timeout=30)


def number(base, path):
    """An endpoint whose answer is one number in `message`."""
    answer = get(base, path)
    assert answer.status_code == 200, (path, answer.status_code, answer.text)
    value = answer.json()["message"]
    assert isinstance(value, (int, float)) and not isinstance(value, bool), (path, value)
    return value


def create(base, **form):
    return requests.post(f"{base}/api/create_transaction", data=form, timeout=30)


def expect(answer, status, message, with_money):
    body = answer.json()
    assert answer.status_code == status, (answer.status_code, body)
    assert body["message"] == message, body
    for name in ("balance", "stake"):
        assert (name in body) == with_money, body
        if with_money:
            assert isinstance(body[name], (int, float)), body
    return body


def rows(base, path):
    answer = get(base, path)
    assert answer.status_code == 200, answer.text
    return pickle.loads(answer.content)


CREATED = "The transaction was created successfully."
WRONG_RECEIVER = "Transaction failed. Wrong receiver id."

me, them = number(node, "get_id"), number(other, "get_id")
assert isinstance(me, int) and isinstance(them, int) and me != them
before = number(node, "get_balance")
assert number(node, "get_stake") == 0

# Coins, a message, both, and a missing message.
expect(create(node, receiver=them, amount=10, message=""), 200, CREATED, True)
expect(create(node, receiver=them, amount=0, message="hello"), 200, CREATED, True)
expect(create(node, receiver=str(them), amount="2.5", message="both"), 200, CREATED, True)
body = expect(create(node, receiver=them, amount=1), 200, CREATED, True)
assert body["balance"] <= before - 10 - 2.5 - 1 - 9, (before, body)

# Stakes add up; a negative amount lowers them.
expect(create(node, stake="true", amount=30), 200, CREATED, True)
assert expect(create(node, stake="true", amount=-10), 200, CREATED, True)["stake"] == 20
assert number(node, "get_stake") == 20

# Refusals.
expect(create(node, receiver=them, amount=10**9, message=""), 400, "Not enough BCCs.", True)
expect(create(node, stake="true", amount=10**9), 400, "Not enough BCCs.", True)
for wrong in (me, 99, "nobody", ""):
    expect(create(node, receiver=wrong, amount=1, message=""), 400, WRONG_RECEIVER, False)
for form in ({"receiver": them}, {"receiver": them, "amount": "much"}, {"receiver": them, "amount": -1}, {}):
    answer = create(node, **form)
    assert answer.status_code == 400 and isinstance(answer.json()["message"], str), answer.text

# Until all of it is in blocks.
for _ in range(600):
    mine = rows(node, "get_my_transactions")
    if all(row[5] == "Confirmed" for row in mine):
        break
    time.sleep(0.1)
assert [row[:4] for row in mine if row[0] == me] == [
    [me, them, 10, ""],
    [me, them, 0, "hello"],
    [me, them, 2.5, "both"],
    [me, them, 1, ""],
    [me, "--", 30, "stake update"],
    [me, "--", 20, "stake update"],
], mine
for row in mine:
    assert len(row) == 6 and row[5] == "Confirmed" and isinstance(row[4], int), row
received = [row for row in rows(other, "get_my_transactions") if row[0] == me and row[3] in ("hello", "both")]
assert [row[3] for row in received] == ["hello", "both"], received

# The last block, and the figures that throughput and block time are computed from.
block = rows(node, "view_block")
assert block and all(len(row) == 5 for row in block), block
metrics = get(node, "get_metrics").json()
assert isinstance(metrics["num_blocks"], int) and metrics["num_blocks"] >= 2, metrics
assert isinstance(metrics["capacity"], int) and metrics["capacity"] == 5, metrics

# What only nodes of the original said to each other is not here, and says so in JSON.
for path in ("get_block", "nonsense"):
    answer = get(node, path)
    assert answer.status_code == 404 and isinstance(answer.json()["message"], str), answer.text
assert requests.get(f"{node}/get_block", timeout=30).status_code == 404
print("as the original's clients expect")
