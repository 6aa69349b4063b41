// A service for an example: it greets with a secret.
const http = require("node:http");

// Not PORT: a secret of that name would move the service and not its health check, which is given no secrets.
const port = Number(process.env.LISTEN_PORT ?? 8080);

if (process.argv.includes("--health")) {
  http
    .get({ host: "127.0.0.1", port, timeout: 2000 }, (response) => process.exit(response.statusCode === 200 ? 0 : 1))
    .on("error", () => process.exit(1));
} else {
  const server = http.createServer((_, response) => response.end(`${process.env.GREETING}\n`));
  server.listen(port, () => console.log(`listening on ${server.address().port}`));
  // As process 1 a program must handle TERM: the kernel discards what has no handler.
  process.on("SIGTERM", () => server.close(() => process.exit(0)));
}
