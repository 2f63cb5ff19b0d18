package inbox

import (
	"regexp"
	"strings"

	"heed/consent"
)

// automatic is what a machine wrote by itself: out of office, receipts,
// challenges, notices of list servers. It is never acted on, whatever it
// quotes (RFC 3834 §2).
func (r reading) automatic() (consent.Request, bool) {
	if rule, text := r.automaticMark(); rule != "" {
		return verdict(consent.KindAutoReply, 1, rule, text), true
	}
	if automaticSubject(r.Subject) {
		return verdict(consent.KindAutoReply, 0.9, "automatic-subject", r.Subject), true
	}
	return r.away()
}

func (r reading) automated() bool {
	_, yes := r.automatic()
	return yes
}

// answeringMachine tells of mail that answers ours by itself, in distinction
// to mail that a program generated for its user.
func (r reading) answeringMachine() bool {
	submitted := strings.ToLower(r.Header.Get("Auto-Submitted"))
	return strings.HasPrefix(submitted, "auto-replied") || strings.HasPrefix(submitted, "auto-notified") ||
		r.Header.Get("X-Autoreply") != "" || r.Header.Get("X-Autorespond") != "" || automaticSubject(r.Subject)
}

// automaticMark gives the header that says so.
func (r reading) automaticMark() (rule, text string) {
	submitted := strings.ToLower(strings.TrimSpace(r.Header.Get("Auto-Submitted")))
	if submitted != "" && submitted != "no" { // RFC 3834 §5
		return "auto-submitted", submitted
	}
	precedence := strings.ToLower(strings.TrimSpace(r.Header.Get("Precedence")))
	switch precedence {
	case "auto_reply", "auto-reply", "junk":
		return "precedence", precedence
	case "bulk", "list":
		if r.Header.Get("List-Unsubscribe") == "" { // with it, it is list mail
			return "precedence", precedence
		}
	}
	if r.Type == "multipart/report" && strings.EqualFold(r.Params["report-type"], "disposition-notification") {
		return "read-receipt", ""
	}
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Autoreply-From", "X-Auto-Response-Suppress",
		"X-List-Administrivia", "X-Bluebottle-Request", "X-Boxtrapper-Original-Subject", "X-Apple-Action",
		"X-Mail-Autoreply", "X-Failed-Recipients-Autoreply"} {
		if _, present := r.Header[name]; present {
			return "automatic-header", name
		}
	}
	if suppress := r.Header.Get("X-Loop"); suppress != "" && strings.Contains(strings.ToLower(suppress), "vacation") {
		return "automatic-header", "X-Loop"
	}
	for _, path := range r.Header.Values("Return-Path") {
		if strings.TrimSpace(path) == "<>" { // nobody to answer to: RFC 5321 §4.5.5
			return "null-return-path", ""
		}
	}
	return "", ""
}

// automaticSubjects is how answering machines begin a subject, folded: one
// language a line, and what several share first.
var automaticSubjects = regexp.MustCompile(`^\W*(` + strings.Join([]string{
	`auto ?(reply|response|responder|antwort|:)`, `autoreply`, `autoresponse`, `ooo:`,
	`automat\p{L}* (reply|response|message|antwort|nachricht|antwoord|bericht|svar|vastaus|odpowiedz|odpoved|odgovor|valasz|vastus|atsakymas|atbilde|yanit)`,
	`automatic e?mail`, `automated`, `out of (the )?office`, `vacation (reply|response|message)`, `away from`, `on (vacation|holiday|leave)\b`,
	`abwesen`, `automatische`, `ausser haus`, `nicht im buro`, `urlaub`,
	`reponse automatique`, `message d.absence`, `absence du bureau`, `absent`,
	`respuesta automatica`, `fuera de (la )?oficina`, `resposta automatica`, `risposta automatica`, `raspuns automat`,
	`(odpowiedz|odpoved|odgovor|vastus|atsakymas|valasz|yanit) (autom|otom)`, `autom\p{L}+ (odpov|odgov|otvet|vidpov)`,
	`otomatik`, `автоматич`, `αυτοματη απαντηση`, `自动回复`, `自動回覆`, `自動返信`, `不在`, `자동 ?회신`, `자동 ?응답`, `부재중`,
	`תשובה אוטומטית`, `رد تلقائي`, `الرد التلقائي`, `ตอบกลับอัตโนมัติ`, `स्वचालित`, `tra loi tu dong`, `balasan otomatis`, `poissa`, `franvaro`,
	`fravaer`, `afwezig`, `nieobecnosc`, `ferias`, `fuori sede`, `assenza`,
}, "|") + ")")

var officeWithin = regexp.MustCompile(`(is|am|i'm|will be) (currently )?(out of (the )?office|on (vacation|leave|holiday))|bin weg|abwesenheit(snotiz|sassistent)|automatisch\w* (antwort|nachricht)`)

// automaticSubject looks at the beginning only: "Re: Automatic reply" is a
// person who answers one.
func automaticSubject(subject string) bool {
	folded := strings.TrimSpace(fold(subject))
	if replyPrefix.MatchString(folded) {
		return false
	}
	return automaticSubjects.MatchString(folded) || automaticSubjects.MatchString(foldKeeping(subject)) ||
		officeWithin.MatchString(folded)
}

// foldKeeping lower-cases without taking letters apart, for scripts whose
// letters the folding would split.
func foldKeeping(subject string) string { return strings.ToLower(strings.TrimSpace(subject)) }

// away reads the text of machines that set no mark at all, and of people who
// announce that they are away. A clear request beside it goes to a person: the
// colleague who asks to strike an address is often the machine of somebody who
// left.
func (r reading) away() (consent.Request, bool) {
	if r.Broken != "" {
		return consent.Request{}, false
	}
	if h, found := first(r.said, "away"); found {
		return r.awayOrAsking(h.source), true
	}
	return consent.Request{}, false
}

func (r reading) awayOrAsking(phrase string) consent.Request {
	if len(r.found) > 0 {
		return verdict(consent.KindReview, 0.5, "away-and-asking", phrase)
	}
	return verdict(consent.KindAutoReply, 0.8, "away-text", phrase)
}
