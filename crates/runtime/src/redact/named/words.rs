//! The vocabulary of names and values, in lower case.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

/// Longer words are in no list.
const LONGEST: usize = 24;
/// A place for each first letter, and one for all other first signs.
const FIRSTS: usize = 27;

/// A list of words, found in whatever case they are written.
pub(in crate::redact) struct Words {
    text: &'static str,
    index: OnceLock<Index>,
}

struct Index {
    /// By its first letter: the lengths of words, as bits. Most words that are asked for fail here.
    lengths: [u32; FIRSTS],
    set: HashSet<&'static str, BuildHasherDefault<Fnv>>,
}

impl Index {
    fn of(text: &'static str) -> Self {
        let set: HashSet<_, _> = text.split_ascii_whitespace().collect();
        let mut lengths = [0; FIRSTS];
        for word in &set {
            lengths[first(word)] |= 1 << word.len().min(LONGEST);
        }
        Self { lengths, set }
    }
}

fn first(word: &str) -> usize {
    let letter = word.bytes().next().unwrap_or(0).to_ascii_lowercase();
    match letter {
        b'a'..=b'z' => usize::from(letter - b'a'),
        _ => FIRSTS - 1,
    }
}

/// FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>: the lists are fixed, so nobody can make their words collide.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Words {
    const fn new(text: &'static str) -> Self {
        let index = OnceLock::new();
        Self { text, index }
    }

    /// Whether the list has it.
    pub(super) fn has(&self, word: &str) -> bool {
        let index = self.index.get_or_init(|| Index::of(self.text));
        if word.len() > LONGEST || index.lengths[first(word)] & 1 << word.len() == 0 {
            return false;
        }
        let mut lower = [0; LONGEST];
        let Some(lower) = lower.get_mut(..word.len()) else {
            return false;
        };
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        std::str::from_utf8(lower).is_ok_and(|word| index.set.contains(word))
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> {
        self.text.split_ascii_whitespace()
    }
}

/// Words of a name that mean a password.
pub(super) static PASSWORDS: Words = Words::new(
    "password passwords passwd passphrase passcode pwd pswd psw pw psk passwort kennwort contrasena senha mdp \
     masterauth passkey",
);

/// Endings of a word that mean the same when written together, as in `dbpassword`.
pub(super) static PASSWORD_ENDINGS: Words =
    Words::new("password passwd passphrase passcode pass pwd passwort");

/// Words that end in `pass` and mean something else.
pub(super) static OTHER_PASSES: Words = Words::new(
    "compass bypass encompass trespass surpass overpass underpass lowpass highpass bandpass",
);

/// What stands before `pass` where a run through something is meant.
pub(super) static PASS_QUALIFIERS: Words = Words::new(
    "render first second third last multi one two single by com boarding season num low high band shadow \
     depth lighting post next each final must should will can tests did all checks a the to compute \
     optimization codegen analysis",
);

/// Two words that name a secret, written as one.
pub(super) static TOGETHER: Words = Words::new(
    "apikey apitoken apisecret appsecret appkey accesskey accesstoken authkey authtoken bearertoken botkey \
     clientsecret consumersecret encryptionkey jwtsecret masterkey privatekey presharedkey refreshtoken \
     secretkey secretaccesskey sessiontoken sessionsecret sharedsecret sharedaccesskey accountkey signingkey \
     signingsecret subscriptionkey tokensecret webhooksecret usertoken authsecret cookiesecret signkey \
     privkey",
);

/// What stands before `secret` where a program's own one is meant.
pub(super) static SECRET_QUALIFIERS: Words = Words::new(
    "client app application consumer webhook signing jwt shared oauth oauth2 api session cookie auth hmac \
     access bot master encryption totp otp mfa token refresh admin server nextauth",
);

/// What stands before `token` where access is meant.
pub(super) static TOKEN_QUALIFIERS: Words = Words::new(
    "access refresh auth api bearer bot personal private deploy session security oauth oauth2 root vault \
     secret admin",
);

/// What stands before `token` where a place, a piece of a text or an order of events is meant.
pub(super) static OTHER_TOKENS: Words = Words::new(
    "page fencing next continuation cursor pad eos bos unk sep cls mask special start end stop image max num \
     prev first last lookahead cancellation cancel sync lease total prompt completion input output min \
     estimated punctuation keyword parse parsed lexer expected unexpected peek design change delta",
);

/// What stands before `key` where a secret one is meant.
pub(super) static KEY_QUALIFIERS: Words = Words::new(
    "api access secret private priv encryption encrypt decryption signing sign auth master subscription \
     preshared hmac aes account crypto cipher admin wrapping rsa jwt root",
);

/// The same, more loosely.
pub(super) static LOOSE_KEY_QUALIFIERS: Words = Words::new(
    "app application service client server ssh session cookie deploy license security functions function \
     storage auth0 webhook integration write read live shared nonce salt logged production prod",
);

/// What stands before `key` where something is found by it, or all may see it.
pub(super) static OTHER_KEYS: Words = Words::new(
    "public pub publishable primary foreign cache sort partition range hash routing idempotency dedup unique \
     index object map dict lookup query i18n translation message group shortcut hot arrow keyboard enter \
     escape press host known composite natural surrogate row column cell s3 bucket file redis storage json \
     data state lock lease task job registry react item list node label config setting option feature flag \
     metric tag trace span request correlation order grouping join shard document entity record locale string \
     text sorted backspace tab ctrl meta shift alt modifier last first next prev max min num has is build \
     fingerprint checksum commit blob",
);

/// What may follow a name of a secret and leaves it one.
pub(super) static TRAILERS: Words = Words::new(
    "prod production dev development staging stage test testing live sandbox qa uat local base value val \
     string str plain plaintext raw b64 base64 hex old new current prev previous backup default primary \
     secondary main alt us eu v1 v2 v3 confirm confirmation again repeat env data prd stg tst ci internal \
     external override",
);

/// What follows a name of a secret where something about one is meant.
pub(super) static ABOUT: Words = Words::new(
    "name names file files filename path paths dir folder url uri endpoint type types typ id ids length len \
     count counts counter size ttl expiry expires expire expiration expired lifetime at age date time timeout \
     policy field fields input label hint placeholder prompt reset strength regex pattern validator \
     validation schema ref refs reference manager provider store service handler helper error errors required \
     enabled disabled limit limits bucket parser kind class index idx position pos start end list map set \
     hash hashes digest algorithm algo alg method mode format version scheme source generator factory builder \
     config options settings params form page view component button icon title message description help \
     rotation status state scope scopes audience issuer header prefix suffix separator usage budget rate \
     stream iterator iter tree span offset event fn func callback spec controller screen modal dialog link \
     command cmd args program stdin arn alias ring board word words press up down frame frames bindings pair \
     group agreement exchange changed is for from aware based attempts min max through rotated revoked \
     created updated address addresses addr contract mount mounts engine env_name fingerprint thumbprint vault namespace selector bytes bits",
);

/// What stands beside a secret in its object: whose it is, where it is from, what it was checked against.
pub(super) static ABOUT_OWNERS: Words = Words::new(
    "user username login email host server database db tenant project region commit sha sha1 sha256 checksum uuid nonce \
     request trace session checkpoint color colors",
);

/// Names of the member that holds what another member names.
pub(super) static VALUE_NAMES: Words = Words::new(
    "value val plain plaintext plaintextvalue stringvalue content default defaultvalue current raw data \
     secretvalue text $value _value #text string secret token key password",
);

/// Words that documents and templates write where a secret will be.
pub(super) static PLACEHOLDERS: Words = Words::new(
    "your yours example placeholder changeme changeit change replace replaceme replacewith insert dummy xxx \
     xxxx xxxxx xxxxxx xxxxxxxx todo fixme redacted masked sample mock fake notreal enter here tbd \
     yourpassword yourtoken yourkey yoursecret hidden omitted removed foobar foo bar baz lorem ipsum censored \
     scrubbed filtered unset template",
);

/// Values that programs, schemas and forms have under names of secrets.
pub(super) static ORDINARY: Words = Words::new(
    "none null nil true false undefined string str bytes byte number integer int bool boolean object array \
     any char varchar text hidden required optional prompt stdin stdout env environment file path default \
     auto yes no on off enabled disabled enable disable include includes omit same-origin same origin basic \
     bearer digest oauth oauth2 jwt saml oidc ldap kerberos apikey header headers query cookie cookies body \
     form input output field fields label name names value values type id key keys token tokens secret \
     secrets password passwords passwd pass pwd passphrase credential credentials username user users login \
     logout signin signup email phone admin account accounts current new old reset forgot confirm \
     confirmation change changed update create delete invalid valid missing empty expired revoked active \
     inactive unknown error failed failure success pending ok wrong weak strong medium incorrect denied \
     granted public private internal external local remote manual generated random static dynamic managed \
     encrypted plain plaintext hash hashed hex base64 utf8 ascii sha1 sha256 sha512 md5 bcrypt scrypt argon2 \
     argon2id argon2i pbkdf2 aes aes256 aes128 rsa ed25519 ecdsa hmac u8 u16 u32 u64 i32 i64 uuid uuid4 \
     uuidv4 ulid nanoid snowflake symbol identifier ident punctuation punct keyword operator literal comment \
     whitespace newline eof comma colon semicolon word expression statement function variable const constant \
     let var return class method property attribute option option1 options config configuration setting \
     settings self this it them that data payload request response server client session service provider \
     vault keychain keyring kms aws gcp azure github gitlab google gcs s3 test testing dev development prod \
     production staging string! never always all only read write readonly primary secondary main access \
     refresh api auth authentication authorization autocomplete visible masked show hide toggle icon button \
     lock locked unlock unlocked placeholder page view component modal dialog link url uri uint8array buffer \
     blob json yaml toml xml html css not must cannot should not-set n/a to the a an of and or is in for with \
     by from as if when flag argument flags parameter command line without was are be has will can instead \
     which prompts reads takes sets given deprecated set get one two at unless also used management rotation \
     policy policies strength storage store manager bucket limit based count counting usage stream parser \
     generator helper length hint field1 pin otp totp sms mfa webauthn fido2 workload identity interactive \
     inherit ask nopass nopassword anonymous guest inline external-secret secretref secretkeyref opaque \
     minted issued expires verification verified verify validate validation validator rejected accepted \
     mismatch match matches checked skip skipped ignore ignored first last next previous begin start end stop \
     super my some bad good primarykey dataclass varbinary nvarchar binary clob textarea select checkbox \
     radio tel date number1 secure sensitive insecure writeonly min max between nullable confirmed sometimes \
     write-only",
);

/// Words of sentences: a quoted text with one of them is a message to people.
pub(super) static SENTENCE: Words = Words::new(
    "the a an is are was be must should please your you enter invalid not no to for with of in and or \
     required wrong incorrect forgot reset password passwords token secret credentials at least has have \
     expired missing may can cannot this that confirm new current failed change de la le el das der die mit \
     passe api from will been if when use used by on",
);

/// Words that mean a secret as the last ones of a name.
pub(super) static LIKELY: Words =
    Words::new("credential credentials cred creds auth bearer jwt salt");
