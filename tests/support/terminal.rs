//! redenv-run on a terminal, and without one.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::launch::{Launch, Outcome};

/// A pseudo-terminal of 80 columns with redenv-run on it. Python's `pty` holds it.
pub struct Terminal {
    driver: Child,
    answers: BufReader<std::process::ChildStdout>,
    /// Keeps the working directory.
    _launcher: Launch,
}

/// The exit code and everything that the terminal showed.
#[derive(Debug)]
pub struct Shown {
    pub code: i64,
    pub screen: String,
}

const DRIVER: &str = r#"
import fcntl, json, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
seen, taken = b"", 0
def more():
    global seen
    if not select.select([fd], [], [], 60)[0]:
        sys.exit("nothing came for a minute after " + repr(seen))
    try:
        data = os.read(fd, 4096)
    except OSError:
        data = b""
    seen += data
    return bool(data)
for line in sys.stdin:
    kind, text = json.loads(line)
    answer = True
    if kind == "expect":
        while text.encode() not in seen[taken:]:
            if not more():
                sys.exit(repr(text) + " did not come, but " + repr(seen))
        taken = seen.index(text.encode(), taken) + len(text.encode())
    elif kind == "type":
        os.write(fd, text.encode())
    elif kind == "echo":
        # The question appears a moment before the echo is switched off.
        for _ in range(6000):
            answer = bool(termios.tcgetattr(fd)[3] & termios.ECHO)
            if str(answer).lower() == text:
                break
            time.sleep(0.01)
    else:
        while more():
            pass
        answer = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()]
    print(json.dumps(answer), flush=True)
"#;

impl Launch {
    /// Starts it on a terminal of its own.
    pub fn on_terminal(self) -> Terminal {
        let mut launch = self.through(["python3", "-I", "-X", "utf8", "-c", DRIVER]);
        let mut driver = launch.command().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(driver.stdout.take().unwrap());
        Terminal { driver, answers, _launcher: launch }
    }

    /// Runs it in a session that has no terminal, wherever the tests themselves run.
    pub fn without_terminal(self) -> Outcome {
        // macOS has no program `setsid`.
        const SCRIPT: &str = "import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])";
        self.through(["python3", "-I", "-c", SCRIPT]).run()
    }
}

impl Terminal {
    /// Waits until the terminal shows `text` behind the last expected text.
    pub fn expect(&mut self, text: &str) -> &mut Self {
        self.ask("expect", text);
        self
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) -> &mut Self {
        self.ask("type", &format!("{line}\n"));
        self
    }

    /// Types a line once the terminal has stopped echoing.
    pub fn type_hidden(&mut self, line: &str) -> &mut Self {
        assert_eq!(self.ask("echo", "false"), json!(false), "the terminal still echoes");
        self.type_line(line)
    }

    /// Types a control character once the terminal has stopped echoing.
    pub fn type_control(&mut self, letter: char) -> &mut Self {
        assert_eq!(self.ask("echo", "false"), json!(false), "the terminal still echoes");
        self.ask("type", &char::from(letter as u8 & 0x1f).to_string());
        self
    }

    /// True when the terminal echoes.
    pub fn echoes(&mut self) -> bool {
        self.ask("echo", "true") == json!(true)
    }

    /// Waits for its end.
    pub fn finish(&mut self) -> Shown {
        let answer = self.ask("finish", "");
        let screen = answer[1].as_str().unwrap().replace("\r\n", "\n");
        Shown { code: answer[0].as_i64().unwrap(), screen }
    }

    fn ask(&mut self, kind: &str, text: &str) -> Value {
        let mut line = json!([kind, text]).to_string();
        line.push('\n');
        self.driver.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("the terminal's driver failed, see above"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already. redenv-run gets a hang-up.
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
