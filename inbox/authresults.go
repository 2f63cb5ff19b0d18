package inbox

import (
	"strings"
)

// quoted are quoted strings and comments of a header field.
var quoted = expression(`"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)`)

// noted reads what our own mail server found out about the mail: the topmost
// Authentication-Results of that name, since a server adds its own above all
// others and must remove forged ones (RFC 8601 §4.1, §5). Without a name no
// such header means anything: anybody can write one.
func (c claim) noted(server string) string {
	if server == "" {
		return ""
	}
	for _, value := range c.values("authentication-results") {
		name, results, _ := strings.Cut(quoted().ReplaceAllString(value, ""), ";")
		words := strings.Fields(name)
		if len(words) == 0 || !strings.EqualFold(words[0], server) {
			continue
		}
		if len(words) > 1 && words[1] != "1" {
			return "" // a version that we do not know
		}
		return c.passing(results)
	}
	return ""
}

// passing finds the result that vouches for From's domain. Methods and results
// that are not known are passed over (RFC 8601 §2.7.6).
func (c claim) passing(results string) string {
	for _, one := range strings.Split(results, ";") {
		words := strings.Fields(spacedEquals().ReplaceAllString(one, "="))
		if len(words) == 0 {
			continue
		}
		properties := map[string]string{}
		for _, word := range words[1:] {
			name, value, _ := strings.Cut(strings.ToLower(word), "=")
			properties[name] = value
		}
		switch strings.ToLower(words[0]) {
		case "dkim=pass", "dkim/1=pass":
			if d := properties["header.d"]; d != "" && aligned(d, c.domain) {
				return "dkim=pass header.d=" + d
			}
		case "dmarc=pass", "dmarc/1=pass":
			if strings.EqualFold(properties["header.from"], c.domain) {
				return "dmarc=pass header.from=" + c.domain
			}
		}
	}
	return ""
}

var spacedEquals = expression(`\s*=\s*`)
