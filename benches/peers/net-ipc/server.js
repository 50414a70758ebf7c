// The server of net-ipc in the comparison: sends back what it gets. Started by the table with a path; says
// "!" once it serves.
"use strict";
const { Server } = require("net-ipc");

const server = new Server({ path: process.argv[2] });
server.on("request", (request, respond) => respond(request));
server.on("error", (error) => {
    throw error;
});
server.start().then(() => process.stdout.write("!"));
