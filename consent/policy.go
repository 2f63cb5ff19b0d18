package consent

import "crypto/sha256"

// PolicyVersion names the text that a person agreed to.
type PolicyVersion struct {
	ID       string
	Hash     []byte // SHA-256 of the text; nil where no text is configured
	Text     string
	Purposes []string // what it lets data be used for, each by a short name
}

// NewPolicyVersion binds an id to the text that stands behind it.
func NewPolicyVersion(id string, text []byte) PolicyVersion {
	sum := sha256.Sum256(text)
	return PolicyVersion{ID: id, Hash: sum[:], Text: string(text)}
}

// covers tells whether the version that a yes was said under lets data be used
// for a purpose. What names no purpose needs none.
func (p Policy) covers(version, purpose string) bool {
	return purpose == "" || version != "" && p.Covers != nil && p.Covers(version, purpose)
}

// decideAsk decides about the question whether somebody agrees to a new version:
// it goes to whoever has said yes to something, and did not say so under that
// version already. Whoever gets nothing is not asked, since that would be
// advertising for being asked.
func decideAsk(p Person, m Message) Reason {
	yeses, agreed := p.State.Yeses(), true
	for _, mark := range yeses {
		agreed = agreed && mark.Policy == m.Version
	}
	switch s := p.State; {
	case len(yeses) == 0 && s.Suppressed != 0:
		return Suppressed
	case len(yeses) == 0 && s.Marketing.Choice == Out:
		return OptedOut
	case s.Hold != 0, s.Paused(p.At):
		return OnHold
	case len(yeses) == 0:
		return NoConsent
	case agreed:
		return PolicyReason
	}
	return once(p)
}

// once is for messages of which everybody gets one.
func once(p Person) Reason {
	if p.Received > 0 {
		return Capped
	}
	return ""
}

// Yeses are the choices that somebody gets something by.
func (s State) Yeses() (all []Mark) {
	for _, mark := range s.Topics {
		all = append(all, mark)
	}
	all = append(all, s.Partner)
	if len(s.Topics) == 0 {
		all = append(all, s.Marketing)
	}
	n := 0
	for _, mark := range all {
		if mark.Choice == In {
			all[n] = mark
			n++
		}
	}
	return all[:n]
}

// Agreeable lists the scopes that a yes to a new version is about: what somebody
// has said yes to, and nothing else.
func (s State) Agreeable() (scopes []Scope) {
	for _, scope := range choiceScopes(s) {
		if s.mark(scope).Choice == In {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}
