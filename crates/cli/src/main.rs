//! The `portcullis` program.

fn main() -> std::process::ExitCode {
    portcullis_cli::main()
}
