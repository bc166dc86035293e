"""How clients behave while no broker answers."""

import asyncio
import time

from aiokafka.client import AIOKafkaClient

from app.transports.kafka.connection import ASK_AGAIN_S, ask_calmly

TRIES = 3


async def test_a_client_that_nobody_answers_pauses_before_it_asks_again():
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")  # where nobody listens
    ask_calmly(client)
    asking = asyncio.create_task(client._md_synchronizer())
    begun_s = time.monotonic()
    answers = [await client.force_metadata_update() for _ in range(TRIES)]
    assert answers == [False] * TRIES
    assert time.monotonic() - begun_s > TRIES * ASK_AGAIN_S * 0.9
    asking.cancel()
    await client.close()
