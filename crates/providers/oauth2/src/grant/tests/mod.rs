mod asking;
mod configuration;
mod keeping;
mod responses;
