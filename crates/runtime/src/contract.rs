//! The methods that a server may have, from the descriptors in the program. Metrics and spans use these names only,
//! whatever path a caller sends.

use std::collections::HashSet;
use std::sync::LazyLock;

use prost::Message;
use prost_types::FileDescriptorSet;

/// Every method, with its service.
pub(crate) fn methods() -> impl Iterator<Item = (String, String)> {
    let reflection = ["v1", "v1alpha"].map(|version| {
        let service = format!("grpc.reflection.{version}.ServerReflection");
        (service, "ServerReflectionInfo".to_owned())
    });
    let sets = [
        shim_proto::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
    ];
    let files = sets
        .into_iter()
        // Reflection, which is built first, refuses a server whose sets do not decode.
        .filter_map(|set| FileDescriptorSet::decode(set).ok())
        .flat_map(|set| set.file);
    let described = files.flat_map(|file| {
        let package = file.package().to_owned();
        file.service.into_iter().flat_map(move |service| {
            let name = format!("{package}.{}", service.name());
            let methods = service.method.into_iter();
            methods.map(move |method| (name.clone(), method.name().to_owned()))
        })
    });
    described.chain(reflection)
}

/// `Service/Method` of a path that leads to one.
pub(crate) fn method_at(path: &str) -> Option<&'static str> {
    static KNOWN: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let written = |(service, method)| format!("{service}/{method}");
        methods().map(written).collect()
    });
    KNOWN.get(path.strip_prefix('/')?).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_contract_lead_to_a_method() {
        let put = "/shim.coordination.v1.StateService/PutState";
        assert_eq!(method_at(put), Some(&put[1..]));
        let health = "/grpc.health.v1.Health/Check";
        assert_eq!(method_at(health), Some(&health[1..]));
        for strange in ["", "/", &put[1..], "/shim.coordination.v1.StateService/Put"] {
            assert_eq!(method_at(strange), None, "{strange}");
        }
    }
}
