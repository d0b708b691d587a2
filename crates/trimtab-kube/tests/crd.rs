//! The definition of the resource as it is written, and as the API server takes it.

#[test]
fn print() {
    println!("{}", trimtab_kube::crd::crd_yaml());
}
