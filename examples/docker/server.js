// An example service: it answers with the secret GREETING.
const http = require("node:http");

// Not PORT: a secret named PORT would move the service, but not its health check, which gets no secrets.
const port = Number(process.env.LISTEN_PORT ?? 8080);

if (process.argv.includes("--health")) {
  http
    .get({ host: "127.0.0.1", port, timeout: 2000 }, (response) => process.exit(response.statusCode === 200 ? 0 : 1))
    .on("error", () => process.exit(1));
} else {
  const server = http.createServer((_, response) => response.end(`${process.env.GREETING}\n`));
  server.listen(port, () => console.log(`listening on ${server.address().port}`));
  // Process 1 must handle TERM: without a handler, the kernel discards the signal.
  process.on("SIGTERM", () => server.close(() => process.exit(0)));
}
