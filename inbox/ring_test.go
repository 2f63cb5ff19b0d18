package inbox

import "heed/consent"

// testRing seals the links of the tests' mails.
var testRing = consent.Keyring{1: []byte("the link key of the test mails only")}
