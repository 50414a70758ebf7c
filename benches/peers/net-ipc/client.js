// The client of net-ipc in the comparison, as src/peer.rs describes it: a line says how many requests are in
// flight, and how often; the answer is the nanoseconds that took.
"use strict";
const assert = require("node:assert");
const { createInterface } = require("node:readline");
const { Client } = require("net-ipc");

const PAYLOAD = "0123456789abcdef".repeat(4);
const client = new Client({ path: process.argv[2] });

async function request() {
    const answer = await client.request(PAYLOAD);
    assert.strictEqual(answer, PAYLOAD);
}

async function main() {
    await client.connect();
    for await (const line of createInterface({ input: process.stdin })) {
        const [flight, times] = line.split(" ").map(Number);
        const start = process.hrtime.bigint();
        for (let time = 0; time < times; time++) {
            if (flight === 1) {
                await request();
            } else {
                await Promise.all(Array.from({ length: flight }, request));
            }
        }
        console.log(String(process.hrtime.bigint() - start));
    }
    process.exit(0);
}

main();
