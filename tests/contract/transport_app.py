"""An ordinary Faust app, started by test_transport.py: nothing in it knows on which transport it runs."""

import os
from collections import Counter

import faust

app = faust.App(
    "ordinary",
    broker=os.environ["BROKER"],
    datadir=os.environ["DATADIR"],
    store="rocksdb://",  # by rocksdict, as that is what is installed
    topic_partitions=2,
    web_port=int(os.environ["PORT"]),
    web_bind="127.0.0.1",
    stream_buffer_maxsize=16,
    stream_recovery_delay=0,
    reply_create_topic=os.environ.get("REPLIES") == "early",
    broker_commit_interval=0.2,
    stream_wait_empty=False,  # Faust waits for ever if two agents read a topic and one's queue is cleared by the stop
)


class Order(faust.Record):
    """What is sent."""

    account: str
    amount: int


orders = app.topic("orders", key_type=str, value_type=Order, internal=True)
sums = app.Table("sums", default=int)
counts = app.Table("counts", default=int)
seen: Counter[str] = Counter()


@app.agent(orders)
async def add(stream):
    async for order in stream.group_by(Order.account):
        sums[order.account] += order.amount
        counts[order.account] += 1


@app.agent(orders)
async def take(stream):
    async for batch in stream.take(50, within=0.1):
        seen["taken"] += len(batch)
        seen["ready"] = 1


async def sink(value):
    seen["sunk"] += value


@app.agent(sink=[sink])
async def double(stream):
    async for number in stream:
        yield number * 2


@app.timer(0.05)
async def tick():
    seen["ticks"] += 1


@app.page("/send/{count}/")
async def send(self, _request, count):
    for number in range(int(count)):
        await orders.send(key=str(number), value=Order(f"account-{number % 5}", number))
    return self.json({"sent": int(count)})


@app.page("/ask/{number}/")
async def ask(self, _request, number):
    return self.json(await double.ask(int(number)))


@app.page("/state/")
async def state(self, _request):
    return self.json({"sums": dict(sums.items()), "counts": dict(counts.items()), **seen})


@app.page("/sum/{account}/")
@app.table_route(table=sums, match_info="account")
async def sum_of(self, _request, account):
    return self.json(sums[account])


if __name__ == "__main__":
    app.main()
