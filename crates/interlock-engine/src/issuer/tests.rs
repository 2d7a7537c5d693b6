use super::*;

fn actor() -> Actor {
    Actor {
        name: AgentName::parse("executor").unwrap(),
        role: Role::Participant,
        workspace_id: WorkspaceId::from_u128(7 << 76),
        session_id: None,
        wake_id: Some(WakeId::from_u128(9)),
        fence: Some(3),
    }
}

fn issuer() -> Issuer {
    Issuer::from_pem(&Issuer::generate_pem().unwrap()).unwrap()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

/// A token with these claims, signed by the issuer's own key.
fn forge(issuer: &Issuer, claims: &serde_json::Value) -> String {
    let header = Header { kid: Some(issuer.kid.clone()), ..Header::new(Algorithm::EdDSA) };
    format!("{PREFIX}{}", jsonwebtoken::encode(&header, claims, &issuer.encoding).unwrap())
}

fn claims(issuer: &Issuer) -> serde_json::Value {
    let token = issuer.mint(&actor(), now(), 60_000).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn a_minted_token_says_who_holds_it() {
    let issuer = issuer();
    let token = issuer.mint(&actor(), now(), 60_000).unwrap();
    assert_eq!(issuer.verify(&token), Ok(actor()));
}

#[test]
fn a_token_of_another_issuer_does_not_hold() {
    let token = issuer().mint(&actor(), now(), 60_000).unwrap();
    assert_eq!(issuer().verify(&token).unwrap_err().reason, Reason::TokenInvalid);
}

/// Also one that was verified before.
#[test]
fn tokens_of_a_revoked_name_are_not_taken() {
    let issuer = issuer();
    let token = issuer.mint(&actor(), now(), 60_000).unwrap();
    assert!(issuer.verify(&token).is_ok());
    let other = Actor { name: AgentName::parse("reviewer").unwrap(), ..actor() };
    let others = issuer.mint(&other, now(), 60_000).unwrap();
    let issuer = issuer.without([actor().name].into());
    assert_eq!(issuer.verify(&token).unwrap_err().reason, Reason::TokenRevoked);
    assert_eq!(issuer.time_left(&token).unwrap_err().reason, Reason::TokenRevoked);
    assert_eq!(issuer.verify(&others), Ok(other));
}

#[test]
fn every_claim_is_required_and_typed() {
    let issuer = issuer();
    let good = claims(&issuer);
    assert!(issuer.verify(&forge(&issuer, &good)).is_ok());
    for name in ["iss", "aud", "sub", "workspace", "role", "jti", "iat", "nbf", "exp"] {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(name);
        assert!(issuer.verify(&forge(&issuer, &without)).is_err(), "accepted without {name}");
        for value in
            [serde_json::json!({}), serde_json::json!("x"), serde_json::json!(null), serde_json::json!([])]
        {
            if value.is_string() && matches!(name, "jti" | "sub") {
                continue; // any text is a token id, and "x" is a name
            }
            let mut retyped = good.clone();
            retyped[name] = value.clone();
            assert!(issuer.verify(&forge(&issuer, &retyped)).is_err(), "accepted {name} = {value}");
        }
    }
}

#[test]
fn times_are_enforced() {
    let issuer = issuer();
    let cases = [("exp", -45_i64, Reason::TokenExpired), ("nbf", 120, Reason::TokenInvalid)];
    for (name, shift, reason) in cases {
        let mut shifted = claims(&issuer);
        shifted[name] = (now().as_millis() / 1_000 + shift).into();
        assert_eq!(issuer.verify(&forge(&issuer, &shifted)).unwrap_err().reason, reason, "{name}");
    }
}

#[test]
fn what_goes_on_knows_how_long_its_token_is_taken() {
    let issuer = issuer();
    let token = issuer.mint(&actor(), now(), 3_600_000).unwrap();
    let left = issuer.time_left(&token).unwrap().as_secs();
    assert!((3_000..=3_600 + LEEWAY_S + 2).contains(&left), "{left}");
    let over =
        issuer.mint(&actor(), Timestamp::from_millis(now().as_millis() - 3_700_000), 3_600_000).unwrap();
    assert_eq!(issuer.time_left(&over).unwrap_err().reason, Reason::TokenExpired);
}

#[test]
fn other_algorithms_and_shapes_do_not_hold() {
    let issuer = issuer();
    let token = issuer.mint(&actor(), now(), 60_000).unwrap();
    let body = token.strip_prefix(PREFIX).unwrap();
    let payload = body.split('.').nth(1).unwrap();
    let none = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","kid":"{}"}}"#, issuer.kid));
    let hs256 = jsonwebtoken::encode(
        &Header { kid: Some(issuer.kid.clone()), ..Header::new(Algorithm::HS256) },
        &claims(&issuer),
        &EncodingKey::from_secret(&issuer.public),
    )
    .unwrap();
    let cases = [
        body.to_owned(),
        format!("{PREFIX}{none}.{payload}."),
        format!("{PREFIX}{hs256}"),
        format!("{PREFIX}{}", "a".repeat(100_000)),
        PREFIX.to_owned(),
        String::new(),
    ];
    for case in cases {
        assert_eq!(issuer.verify(&case).unwrap_err().reason, Reason::TokenInvalid, "{case:.80}");
    }
}

#[test]
fn a_workspace_that_was_swapped_does_not_hold() {
    let issuer = issuer();
    let mut swapped = claims(&issuer);
    swapped["workspace"] = WorkspaceId::from_u128(8 << 76).to_string().into();
    assert!(issuer.verify(&forge(&issuer, &swapped)).is_err());
}
