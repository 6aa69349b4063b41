// Shows what a command gets from redenv-run: the secrets, and no token.
console.log(process.env.GREETING);
console.log(`token key: ${process.env.REDENV_TOKEN_KEY || "not here"}`);
