/* A program for an empty root: one static file that tells what it was started with.
   `probe` prints that and ends with 7; `probe trap` also waits for TERM, and ends with 42. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void on_term(int signal) { (void)signal; _exit(42); }

int main(int count, char **arguments) {
    printf("pid %s, uid %d, gid %d\n", getpid() == 1 ? "1" : "other", (int)getuid(), (int)getgid());
    for (char **entry = environ; *entry; entry++) puts(*entry);
    for (const char *const *path = (const char *const[]){"/dev", "/proc", "/etc/ssl", "/lib", 0}; *path; path++)
        if (access(*path, F_OK) == 0) printf("there is %s\n", *path);
    FILE *file = fopen("/written", "w");
    puts(file ? "the root is writable" : "the root is read-only");
    if (count < 2 || strcmp(arguments[1], "trap") != 0) return 7;
    signal(SIGTERM, on_term);
    puts("ready");
    fflush(stdout);
    for (;;) pause();
}
