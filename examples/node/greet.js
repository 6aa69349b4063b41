// Shows that a command gets the secrets from redenv-run, but not the token.
console.log(process.env.GREETING);
console.log(`token key: ${process.env.REDENV_TOKEN_KEY || "not here"}`);
