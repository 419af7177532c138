//! The pages over HTTPS, as a client without a browser's patience sees them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fakes;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};
use sealgate_web::tls::TlsMaterial;
use sealgate_web::{WebConfig, serve};
use sha2::{Digest, Sha256};

use fakes::World;

/// Believes every certificate, and remembers it.
#[derive(Debug, Default)]
struct Witness(Mutex<Vec<u8>>);

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.0.lock().unwrap() = certificate.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        CryptoProvider::get_default()
            .unwrap()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Sends one request as it stands and reads to the end of the connection.
fn exchange(address: SocketAddr, witness: Arc<Witness>, request: Vec<u8>) -> String {
    let config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(witness)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut stream = StreamOwned::new(tls, tcp);
    stream.write_all(&request).unwrap();
    let mut answer = Vec::new();
    // Not every server says goodbye in TLS before it closes.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Four megabytes, sent to the end before the answer is read.
fn upload(path: &str) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: 4000000\r\n\r\n"
    )
    .into_bytes();
    request.resize(request.len() + 4_000_000, b'x');
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fingerprint_is_the_one_shown_and_a_large_upload_gets_its_answer() {
    let world = World::set_up();
    let tls = TlsMaterial::temporary(&["localhost".to_owned()]).unwrap();
    let fingerprint = tls.fingerprint_sha256().to_owned();
    // An address of this process's own: nothing else can hold the port.
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let listen = SocketAddr::from((Ipv4Addr::new(127, high, middle, low), 8443));
    let config = WebConfig {
        listen,
        tls,
        clock: world.clock.clone(),
    };
    let server = tokio::spawn(serve(config, world.rooms.clone(), world.shutdown.clone()));
    while TcpStream::connect(listen).is_err() {
        assert!(!server.is_finished());
        tokio::task::yield_now().await;
    }

    let witness = Arc::new(Witness::default());
    let seen = Arc::clone(&witness);
    let answer = tokio::task::spawn_blocking(move || {
        let refused = exchange(
            listen,
            Arc::clone(&witness),
            upload("/api/v1/license/import"),
        );
        assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
        exchange(listen, witness, upload("/api/v1/sessions"))
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("SG-API-004"), "{answer}");
    let hash: Vec<String> = Sha256::digest(&*seen.0.lock().unwrap())
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    assert_eq!(hash.join(":"), fingerprint);

    world.trigger.request();
    server.await.unwrap().unwrap();
}
