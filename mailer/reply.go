package mailer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// reply is one reply of the relay, all its lines.
type reply struct {
	code     int
	enhanced string
	text     string // as sent, lines joined by a space
}

// errGarbage is a reply that is none. What follows on such a connection cannot be
// matched to commands any more.
var errGarbage = errors.New("the relay's answer is not an SMTP reply")

const maxReplyLines = 128

// readReply reads one reply, of one line or many (RFC 5321 §4.2.1).
func readReply(r *bufio.Reader) (reply, error) {
	var rep reply
	for range maxReplyLines {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return reply{}, fmt.Errorf("%w: a line of more than %d bytes", errGarbage, r.Size())
		}
		if err != nil {
			return reply{}, err
		}
		last, err := rep.add(strings.TrimRight(string(line), "\r\n"))
		if err != nil || last {
			return rep, err
		}
	}
	return reply{}, fmt.Errorf("%w: more than %d lines", errGarbage, maxReplyLines)
}

// replyWaits tells of a reply, of one line and already received, that it is read without
// waiting for the relay: those to commands that went together mostly come together.
func replyWaits(r *bufio.Reader) bool {
	got, _ := r.Peek(r.Buffered()) // as much as there is
	end := bytes.IndexByte(got, '\n')
	return end > 3 && got[3] != '-'
}

// add takes one line and says whether it was the last of its reply.
func (rep *reply) add(line string) (last bool, err error) {
	code, ok := replyCode(line)
	if !ok || (rep.code != 0 && code != rep.code) {
		return false, errGarbage
	}
	last = len(line) == 3 || line[3] == ' '
	if !last && line[3] != '-' {
		return false, errGarbage
	}
	text := ""
	if len(line) > 4 {
		text = line[4:]
	}
	if rep.code == 0 {
		rep.code, rep.enhanced, rep.text = code, enhancedCode(text, line[0]), text
		return last, nil
	}
	rep.text += " " + strings.TrimPrefix(text, rep.enhanced+" ")
	return last, nil
}

// replyCode reads the three digits of RFC 5321 §4.2, the first from 2 to 5.
func replyCode(line string) (int, bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !digit(line[1]) || !digit(line[2]) {
		return 0, false
	}
	return int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0'), true
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// enhancedCode finds class.subject.detail at the start of a reply's text (RFC 2034 §4,
// RFC 3463 §2). Its class must be the class of the reply; relays that do not announce
// ENHANCEDSTATUSCODES write them as well, so the form decides.
func enhancedCode(text string, class byte) string {
	code, _, _ := strings.Cut(text, " ")
	if len(code) < 2 || code[0] != class || code[1] != '.' || class == '3' {
		return ""
	}
	subject, detail, _ := strings.Cut(code[2:], ".")
	if !upToThreeDigits(subject) || !upToThreeDigits(detail) {
		return ""
	}
	return code
}

func upToThreeDigits(s string) bool { return len(s) <= 3 && onlyBytes(s, digit) }

// ok tells whether the reply is of the class, 2 or 3, that lets its command go on.
func (rep reply) ok(class int) bool { return rep.code/100 == class }

// outcome is what a reply that refuses means (RFC 5321 §4.2.1).
func (rep reply) outcome() Outcome {
	if rep.code/100 == 5 {
		return Rejected
	}
	return Deferred
}

const maxText = 400

// addressLike is anything that might be an address, also percent-encoded or as VERP
// writes it inside another.
var addressLike = regexp.MustCompile(`(?i)[^\s<>()\[\]"',;:]*(?:@|%40|=40|\(at\))[^\s<>()\[\]"',;]*`)

// cleanText makes a relay's words fit for display: addresses out, in the form given
// too, control characters out, not too long. A relay may repeat the local part alone
// ("user jane.doe unknown"), so the names used in this transaction go as well.
func cleanText(text string, paths ...string) string {
	for _, p := range paths {
		text = replaceWord(text, p)
		if at := strings.LastIndexByte(p, '@'); at > 0 {
			text = replaceWord(text, p[:at])
		}
	}
	if strings.ContainsAny(text, "@%=(") { // most replies name nobody, and there is one for each message
		text = addressLike.ReplaceAllString(text, "<address>")
	}
	text = strings.ReplaceAll(text, "<<address>>", "<address>")
	if !plain(text) {
		text = strings.Map(printable, strings.ToValidUTF8(text, "?"))
	}
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return text
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

// replaceWord puts <address> for word, whatever its case, where it stands as a word.
func replaceWord(text, word string) string {
	if len(word) < 2 || len(word) > len(text) || !mayHold(text, word) {
		return text
	}
	lower, find := strings.ToLower(text), strings.ToLower(word)
	if len(lower) != len(text) {
		return text
	}
	var out strings.Builder
	for {
		i := strings.Index(lower, find)
		if i < 0 {
			return out.String() + text
		}
		end := i + len(find)
		if wordByte(lower, i-1) || wordByte(lower, end) {
			out.WriteString(text[:end])
		} else {
			out.WriteString(text[:i] + "<address>")
		}
		text, lower = text[end:], lower[end:]
	}
}

// mayHold tells, without the cost of a copy, of a text that it cannot hold a word
// whatever its case.
func mayHold(text, word string) bool {
	first := word[0]
	if first >= 0x80 {
		return true
	}
	for i := 0; i+len(word) <= len(text); i++ {
		if text[i] >= 0x80 || (text[i]^first)&^0x20 == 0 {
			return true
		}
	}
	return false
}

func wordByte(s string, i int) bool {
	if i < 0 || i >= len(s) {
		return false
	}
	b := s[i]
	return b >= 'a' && b <= 'z' || digit(b) || b >= 0x80
}
