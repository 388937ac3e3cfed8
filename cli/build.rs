fn main() {
    let mut config = wasmtime::Config::new();
    config.target(&std::env::var("TARGET").unwrap()).unwrap();
    let _ = wasmtime::Engine::new(&config).unwrap();
}
