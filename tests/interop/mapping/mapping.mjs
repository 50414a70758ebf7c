// JavaScript's side of the check that values mean the same in Rust and here (docs/protocol.md section 11):
// mapping.mjs NODE_MODULES, the folder that holds cbor-x.
//
// Reads lines `name hex` and checks that cbor-x decodes each to the value of that name below, and that none
// is missing. Prints how cbor-x encodes the same values, and other spellings of them, for Rust to read;
// `!name hex` is what Rust must refuse there. tests/interop/mapping.sh runs it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { inspect, isDeepStrictEqual } from "node:util";

const { decode, encode, Encoder } = createRequire(resolve(process.argv[2], "cbor-x"))("cbor-x");

// Reads and writes maps whose keys are not text; the others go through `encode` and `decode` as they are.
const maps = new Encoder({ useRecords: false, mapsAsObjects: false });
// Writes -0 as -0.
const exact = new Encoder({ useRecords: false, alwaysUseFloat: true });

const octets = (...bytes) => Buffer.from(bytes);
const range = (length) => Array.from({ length }, (_, at) => at);

// Integers beyond 32 bits are BigInt in both directions.
const integers = {
  "0": 0, "23": 23, "24": 24, "2^8-1": 255, "2^8": 256, "2^16-1": 65535, "2^16": 65536, "2^32-1": 2 ** 32 - 1,
  "2^32": 2n ** 32n, "2^53-1": 2n ** 53n - 1n, "2^53": 2n ** 53n, "2^53+1": 2n ** 53n + 1n,
  "2^63-1": 2n ** 63n - 1n, "2^64-1": 2n ** 64n - 1n, "2^64": 2n ** 64n, "2^127-1": 2n ** 127n - 1n,
  "2^128-1": 2n ** 128n - 1n,
  "-1": -1, "-24": -24, "-25": -25, "-2^7": -128, "-2^15": -32768, "-2^31": -(2 ** 31), "-2^32": -(2 ** 32),
  "-2^32-1": -(2n ** 32n) - 1n, "-2^53+1": -(2n ** 53n) + 1n, "-2^53": -(2n ** 53n),
  "-2^53-1": -(2n ** 53n) - 1n, "-2^63": -(2n ** 63n), "-2^64": -(2n ** 64n), "-2^64-1": -(2n ** 64n) - 1n,
  "-2^127": -(2n ** 127n),
};

const floats = {
  "21.0": 21, "-21.0": -21, "0.0": 0, "-0.0": -0, "1.5": 1.5, "0.1": 0.1, "1e300": 1e300, "65504.0": 65504,
  "65505.0": 65505, "2.0^-24": 2 ** -24, "2.0^-1022": 2 ** -1022, "2.0^53": 2 ** 53, "2.0^64": 2 ** 64,
  "nan": NaN, "infinity": Infinity, "-infinity": -Infinity, "f32-1.5": 1.5, "f32-0.1": Math.fround(0.1),
  "f32-21.0": 21, "f32-nan": NaN, "f32-infinity": Infinity,
};

const others = {
  "unit": null, "unit-struct": null, "false": false, "true": true, "char": "a", "char-emoji": "\u{1f600}",
  "text-empty": "", "text": "h\u00e9llo \u{1f600}\0", "text-300": "x".repeat(300),
  "bytes-empty": octets(), "bytes": octets(0, 1, 255), "bytes-300": Buffer.alloc(300, 7),
  "vec-u8": [0, 24, 255], "none": null, "some": 7,
  "newtype": 7, "tuple": [1, -1, "a", 2.5], "tuple-struct": [1, "a"], "array": [1, 300],
  "list-empty": [], "list": [null, [1, 2.5], []], "list-30": range(30), "list-endless": [1, 2],
  "map-empty": {}, "map": { a: 1, b: 2 }, "map-integers": new Map([[-1, "a"], [300, "b"]]),
  "map-pairs": new Map([[[1, 2], true]]), "map-nested": { o: { i: [[1, false], [2, null]] }, p: {} },
  "map-endless": { a: 1 },
  "struct": { id: 2n ** 40n, note: "soon", lines: [{ what: "tea", price: 3 }, { what: "pie", price: 2.5 }] },
  "struct-none": { id: 1, note: null, lines: [] },
  "enum-unit": "Dot", "enum-newtype": { Round: 2 }, "enum-tuple": { Flat: [1, 2] },
  "enum-struct": { Named: { name: "a" } }, "enum-list": ["Dot", { Round: 0.5 }, "Dot"],
  "result-ok": { Ok: 1 }, "result-err": { Err: "no" },
};

const values = new Map(Object.entries({ ...integers, ...floats, ...others }));

// What else Rust takes for the same values.
const native = [
  ["unit", undefined], ["none", undefined], ["24", 24n], ["-1", -1n], ["2.0^53", 2n ** 53n],
  ["2.0^64", 2n ** 64n], ["bytes", new Uint8Array([0, 1, 255])], ["bytes", [0, 1, 255]],
  ["bytes", new Uint8Array([0, 1, 255]).buffer], ["vec-u8", new Uint8Array([0, 24, 255])],
  ["array", Array.from(new Uint16Array([1, 300]))], ["list", [, [1, 2.5], []]], ["21.0", 21n],
  ["map", new Map([["b", 2], ["a", 1]])], ["struct-none", { lines: [], id: 1n, note: undefined }],
  ["struct-none", { id: 1, lines: [], later: { field: [octets(), new Date(0), 2n ** 64n] } }],
  ["enum-unit", { Dot: null }], ["enum-unit", { Dot: undefined }],
];
// cbor-x writes neither arrays nor objects without their length.
const spelled = [
  ["list-endless", "9f0102ff"], ["map-endless", "bf616101ff"], ["tuple-struct", "9f016161ff"],
  ["struct-none", "bf62696401656c696e65739fffff"], ["text-empty", "7fff"], ["bytes", "5f4100404201ffff"],
];
const refused = [
  ["2^53-1", 2 ** 53 - 1], ["2^32", 2 ** 32], ["-2^32-1", -(2 ** 32) - 1], ["2^8-1", 256],
  ["2^8-1", 25.5], ["2^64-1", 2n ** 64n], ["2^64-1", -1n], ["2^128-1", 2n ** 128n], ["f32-0.1", 0.1],
  ["2.0^53", 2n ** 53n + 1n],
  ["map-integers", { "-1": "a", "300": "b" }], ["list-30", Uint16Array.from(range(30))],
  ["list", [null, new Float64Array([1, 2.5]), []]], ["text", "\ud800"], ["char", "ab"], ["char", "e\u0301"],
  ["true", 1], ["unit", false], ["21.0", null], ["struct-none", { id: 1 }],
  ["struct-none", { id: 1, lines: null }],
  ["enum-unit", "dot"], ["enum-newtype", "Round"], ["enum-newtype", { Round: 2, Dot: null }],
];

const isKeyed = (name) => name === "map-integers" || name === "map-pairs";

/// What is wrong with a line, if anything.
function check(name, hex) {
  if (!values.has(name)) return "no such name here";
  const bytes = Buffer.from(hex, "hex");
  try {
    const value = isKeyed(name) ? maps.decode(bytes) : decode(bytes);
    // Tells a BigInt from a number, -0 from 0, and takes NaN for NaN.
    if (isDeepStrictEqual(value, values.get(name))) return null;
    return `is ${inspect(value)}`;
  } catch (error) {
    return String(error);
  }
}

const seen = new Map();
for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const [name, hex] = line.split(" ");
  seen.set(name, check(name, hex));
}
for (const name of values.keys()) if (!seen.has(name)) seen.set(name, "was never sent");
const wrong = [...seen].filter(([, error]) => error !== null);
for (const [name, error] of wrong) console.error(`WRONG, to JavaScript: ${name}: ${error}`);

const print = (name, bytes) => console.log(`${name} ${Buffer.from(bytes).toString("hex")}`);
for (const [name, value] of values) print(name, (name === "-0.0" ? exact : { encode }).encode(value));
for (const [name, value] of native) print(name, encode(value));
for (const name of ["map", "struct", "map-integers"]) print(name, maps.encode(values.get(name)));
for (const name of ["21.0", "-21.0", "0.0"]) print(name, exact.encode(values.get(name)));
for (const [name, hex] of spelled) console.log(`${name} ${hex}`);
for (const [name, value] of refused) print(`!${name}`, encode(value));
print("!map", new Encoder().encode({ a: 1, b: 2 }));
console.error(`to JavaScript: ${seen.size} values, ${wrong.length} wrong`);
process.exitCode = wrong.length === 0 ? 0 : 1;
