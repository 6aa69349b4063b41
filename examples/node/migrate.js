// Stands for a migration: it shows that only the selected secrets are here.
console.log(`migrating on ${process.env.DB_HOST}, without GREETING: ${process.env.GREETING === undefined}`);
