package inbox

import (
	"net/mail"
	"slices"
	"strings"

	"heed/consent"
)

// maxHops is how many servers a mail may have come through before it counts as
// one that goes in circles (RFC 5321 §6.3).
const maxHops = 100

// LoopHeader marks every letter of ours with a seal, so that we know it when it
// comes back by whatever way.
const LoopHeader = "Heed-Loop"

// noReply tells why a mail must not be answered by a machine, as the name of a
// rule. What cannot be told for sure is not answered: a missing answer is a
// pity, a loop of answers is an attack (RFC 3834 §2).
func (r reading) noReply(request consent.Request) string {
	switch request.Kind {
	case consent.KindBounce, consent.KindSpamReport, consent.KindAutoReply, consent.KindUnrelated:
		return string(request.Kind)
	}
	if r.Broken != "" {
		return "unreadable"
	}
	if rule, _ := r.automaticMark(); rule != "" {
		return rule
	}
	for _, check := range []func() string{r.listed, r.circles, r.unanswerableFrom, r.unanswerablePath} {
		if rule := check(); rule != "" {
			return rule
		}
	}
	return ""
}

// isButton tells of mail that a program or a provider wrote for its user, and of
// mail to an address that we sealed: nobody waits for words.
func isButton(request consent.Request) bool {
	return slices.ContainsFunc(request.Evidence, func(e consent.Evidence) bool {
		return e.Rule == "sealed-address" || e.Rule == "gmail-button" || e.Rule == "apple-button" || e.Rule == "generated-command"
	})
}

// listed knows mail that many get (RFC 3834 §2, RFC 2369, RFC 2919).
func (r reading) listed() string {
	for name := range r.Header {
		if strings.HasPrefix(name, "List-") || name == "Mailing-List" {
			return "list-mail"
		}
	}
	switch strings.ToLower(strings.TrimSpace(r.Header.Get("Precedence"))) {
	case "bulk", "list", "junk":
		return "precedence"
	}
	return ""
}

// circles knows mail that goes round: too many hops, or a letter of ours.
func (r reading) circles() string {
	if len(r.Header.Values("Received")) > maxHops {
		return "too-many-hops"
	}
	if r.ourLetter() {
		return "own-letter"
	}
	return ""
}

func (r reading) ourLetter() bool {
	l, _, found := r.ring.FindToken(strings.Join(r.Header.Values(LoopHeader), " "))
	return found && l.Purpose == consent.PurposeLetter
}

// looped keeps mail in circles from being acted on: our own letter, which its
// seal tells, is a machine's answer; of the rest a person decides.
func (r reading) looped() (consent.Request, bool) {
	switch r.circles() {
	case "own-letter":
		return verdict(consent.KindAutoReply, 1, "own-letter", ""), true
	case "too-many-hops":
		return verdict(consent.KindReview, 1, "too-many-hops", ""), true
	}
	return consent.Request{}, false
}

// robots are local parts behind which nobody reads answers (RFC 3834 §2), with
// a detail behind + or without.
var robots = expression(`^(owner-.*|.*-owner|.*-request|.*-bounces?|bounces?|mailer-daemon|mailer|postmaster|listserv|majordomo|nobody|uucp|` +
	`(.*[-_.])?(no|do-?not|dont)[-_.]?reply([-_.].*)?|auto-?reply|auto-?responder)(\+.*)?$`)

func robot(address string) bool {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	return robots().MatchString(local)
}

func (r reading) unanswerableFrom() string {
	from := r.From()
	switch {
	case from == "":
		return "malformed-from"
	case slices.Contains(r.ours.Addresses, from):
		return "own-mail"
	case robot(from):
		return "robot-address"
	}
	return ""
}

// unanswerablePath looks at the return path that the last server noted (RFC 5321
// §4.4): where the mail's own sender wants no answer, nobody else gets one.
func (r reading) unanswerablePath() string {
	for _, value := range r.Header.Values("Return-Path") {
		path := strings.Trim(value, "<> \t")
		normal, err := consent.Normalize(path)
		switch {
		case path == "":
			return "null-return-path"
		case err != nil && !parses(path):
			return "malformed-return-path"
		case slices.Contains(r.ours.Addresses, normal):
			return "own-mail"
		case robot(path):
			return "robot-address"
		}
	}
	return ""
}

func parses(address string) bool {
	_, err := mail.ParseAddress(address)
	return err == nil
}

// notePath learns whether this server notes return paths. Where it does, a mail
// without one was put there by other means, and nobody knows whom an answer
// would reach.
func (v *visits) notePath(raw []byte, request *consent.Request) {
	header := Parse(raw[:headerEnd(raw)]).Header
	if _, noted := header["Return-Path"]; noted {
		v.paths = true
	} else if v.paths && request.NoReply == "" {
		request.NoReply = "no-return-path"
	}
}
