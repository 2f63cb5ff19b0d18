package consent

import "crypto/sha256"

// PolicyVersion names the text that a person agreed to.
type PolicyVersion struct {
	ID   string
	Hash []byte // SHA-256 of the text; nil where no text is configured
}

// NewPolicyVersion binds an id to the text that stands behind it.
func NewPolicyVersion(id string, text []byte) PolicyVersion {
	sum := sha256.Sum256(text)
	return PolicyVersion{ID: id, Hash: sum[:]}
}
