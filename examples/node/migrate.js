// A stand-in for a migration: it shows that the command gets only the selected secrets.
console.log(`migrating on ${process.env.DB_HOST}, without GREETING: ${process.env.GREETING === undefined}`);
