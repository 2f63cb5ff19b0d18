package inbox

import (
	"regexp"
	"slices"
	"strings"
)

// How reports in words name their recipients, the surest form first.
var (
	bracketed   = expression(`(?m)^[ \t>*(-]*<([^<>\s]+@[^<>\s]+)>`)
	alone       = expression(`(?m)^[ \t>*("'-]*([^\s<>"':;,()]+@[^\s<>"':;,()]+?)["':;,.)]*(?:[ \t]+[(.].*|[(<].*)?[ \t]*$`)
	lineFirst   = expression(`(?m)^[ \t>*"']*<?([^\s<>"':;,()]+@[^\s<>"':;,()]+)>?["']?[ \t:]`)
	transcribed = expression(`(?im)^[ \t]*(?:\d{3}[ -]|>>> RCPT TO: ?)<?([^\s<>"':;,()]+@[^\s<>"':;,()]+?)>?(?:\.\.\.|[ \t]*$)`)
	afterWord   = expression(`(?i)(?:recipients?|user|address(?:es)?|to|for|mailbox|account|addressee|rcpt)[^\n@]{0,40}?[\s<:"'(]([^\s<>"':;,()]+@[^\s<>"':;,()]+)`)
	afterFail   = expression(`(?i)(?:fail\w*|attempts?|undeliver\w*|delivered|拒否|宛先|送信)[^\n@]{0,60}?[\s<:"'(（]([^\s<>"':;,()]+@[^\s<>"':;,()]+)`)

	recipientForms = []func() *regexp.Regexp{bracketed, alone, lineFirst, transcribed, afterWord, afterFail}
	senders        = expression(`(?im)\b(?:message|mail|e-mail) (?:sent by|from)\s+<[^>]*>|^[ \t>*]*(?:original sender|from|sender|return-path|sent by)[ \t]*:.*$`)
	daemons        = expression(`(?i)^(mailer-daemon|postmaster)@`)
)

// recipients finds whom a report in words is about. Addresses of the report's
// own sender and receiver count only where nobody else is named.
func (r reading) recipients() []string {
	words, copied := r.ownWords()
	words = senders().ReplaceAllString(words, "")
	failed := unique(anyAddress().FindAllString(strings.Join(r.Header.Values("X-Failed-Recipients"), " "), 50))
	listed := r.firstForm(words, recipientForms[:3], false)
	if len(failed) > 0 && (len(listed) == 0 || slices.ContainsFunc(listed, func(a string) bool { return slices.Contains(failed, a) })) {
		return failed
	}
	for _, find := range []func() []string{
		func() []string { return listed },
		func() []string { return r.localParts(words) },
		func() []string { return r.firstForm(words, recipientForms[3:], false) },
		func() []string { return r.firstForm(words, recipientForms[:4], true) },
		func() []string { return r.returnedTo(copied) },
	} {
		if found := find(); len(found) > 0 {
			return found
		}
	}
	return nil
}

func (r reading) firstForm(words string, forms []func() *regexp.Regexp, own bool) []string {
	for _, form := range forms {
		if found := r.addressesIn(words, form(), own); len(found) > 0 {
			return found
		}
	}
	return nil
}

func (r reading) addressesIn(text string, form *regexp.Regexp, own bool) []string {
	ours := strings.ToLower(r.field("From") + " " + r.field("To"))
	from := strings.ToLower(r.field("From"))
	var all []string
	for _, match := range form.FindAllStringSubmatch(text, 60) {
		address := anyAddress().FindString(match[1])
		lower := strings.ToLower(address)
		if address == "" || strings.Contains(from, lower) || !own && (daemons().MatchString(address) || strings.Contains(ours, lower)) {
			continue
		}
		all = append(all, address)
	}
	return unique(all)
}

func unique(addresses []string) []string {
	var all []string
	for _, address := range addresses {
		if address = addressOf(address); address != "" && !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return all
}

var (
	namesFollow = expression(`(?is)following (?:recipients?|address(?:es)?|users?)\b[^\n]*(?:\n[^\n]+)*?:[ \t]*\n((?:[ \t]*\n)*(?:[ \t]+[a-z0-9._+-]{1,64}[ \t]*(?:\n|\z))+)`)
	senderHost  = expression(`@([\p{L}\p{N}.-]+)`)
)

// localParts knows providers that name their own mailboxes without the domain,
// which is that of the report's sender.
func (r reading) localParts(words string) []string {
	list := namesFollow().FindStringSubmatch(words)
	host := senderHost().FindStringSubmatch(r.field("From"))
	if list == nil || host == nil {
		return nil
	}
	var all []string
	for _, name := range strings.Fields(list[1]) {
		all = append(all, name+"@"+host[1])
	}
	return unique(all)
}

var toField = expression(`(?im)^[ \t>]*to[ \t]*:(.*)$`)

// returnedTo is the one receiver of the returned mail, for reports that name
// nobody.
func (r reading) returnedTo(copied string) []string {
	texts := []string{copied}
	for _, p := range r.Parts {
		if p.Type == "message/rfc822" || p.Type == "text/rfc822-headers" || p.Type == "message/global" || p.Type == "message/global-headers" {
			texts = append(texts, string(p.Content[:min(len(p.Content), 64<<10)]))
		}
	}
	for _, text := range texts {
		if to := toField().FindStringSubmatch(text); to != nil {
			if all := unique(anyAddress().FindAllString(to[1], 3)); len(all) == 1 {
				return all
			}
		}
	}
	return nil
}
