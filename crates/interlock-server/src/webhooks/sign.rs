//! Signatures as the Standard Webhooks specification has them: HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use interlock_core::{Reason, Refusal};
use interlock_engine::WebhookSecret;
use sha2::Sha256;

/// The value of `webhook-signature`: one for each secret, so that a receiver with either is content.
///
/// # Errors
/// `INTERNAL` never: HMAC takes keys of every length.
pub(crate) fn signature(
    secrets: &[WebhookSecret],
    id: &str,
    seconds: i64,
    body: &[u8],
) -> Result<String, Refusal> {
    let mut signatures = Vec::new();
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .map_err(|error| Refusal::new(Reason::Defect, error.to_string()))?;
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        signatures.push(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    }
    Ok(signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use standardwebhooks::Webhook;

    use super::*;

    fn headers(id: &str, seconds: i64, signature: &str) -> axum::http::HeaderMap {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", seconds.into());
        headers.insert("webhook-signature", signature.parse().unwrap());
        headers
    }

    fn now() -> i64 {
        jiff::Timestamp::now().as_second()
    }

    fn receiver(secret: &WebhookSecret) -> Webhook {
        Webhook::new(&secret.reveal()).unwrap()
    }

    proptest! {
        #[test]
        fn another_implementation_takes_what_is_signed_and_nothing_else(
            bytes in any::<[u8; 32]>(),
            id in "whk_[0-9A-Z]{26}-[0-9]{1,9}-[0-9]",
            body in "(?s).{1,200}",
            flip in any::<proptest::sample::Index>(),
        ) {
            let body = body.into_bytes();
            let secret = WebhookSecret::from_bytes(bytes);
            let seconds = now();
            let signed = signature(std::slice::from_ref(&secret), &id, seconds, &body).unwrap();
            let receiver = receiver(&secret);
            prop_assert!(receiver.verify(&body, &headers(&id, seconds, &signed)).is_ok());
            let mut other = body.clone();
            let bit = flip.index(other.len() * 8);
            other[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(receiver.verify(&other, &headers(&id, seconds, &signed)).is_err());
            prop_assert!(receiver.verify(&body, &headers(&id, seconds - 1, &signed)).is_err());
            let longer = format!("{id}0");
            prop_assert!(receiver.verify(&body, &headers(&longer, seconds, &signed)).is_err());
        }
    }

    #[test]
    fn receivers_with_the_old_and_with_the_new_secret_are_content_and_no_third() {
        let [old, new, third] = [1, 2, 3].map(|n| WebhookSecret::from_bytes([n; 32]));
        let seconds = now();
        let signed = signature(&[new.clone(), old.clone()], "whk_1-2-3", seconds, b"{}").unwrap();
        let takes = |secret| receiver(secret).verify(b"{}", &headers("whk_1-2-3", seconds, &signed)).is_ok();
        assert_eq!((takes(&old), takes(&new), takes(&third)), (true, true, false));
    }
}
