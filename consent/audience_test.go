package consent

import (
	"strings"
	"testing"
)

func TestAudienceMatch(t *testing.T) {
	p := Traits{Language: "de", TimeZone: "Europe/Berlin", Company: "Acme", Attrs: map[string]string{"plan": "pro"},
		Services: []string{"files"}, Topics: []string{"product", "events"}}
	tests := []struct {
		expr string
		want bool
	}{
		{`all`, true},
		{`not all`, false},
		{`language == "de"`, true},
		{`language == 'en'`, false},
		{`language != "en"`, true},
		{`company != ""`, true},
		{`first_name == ""`, true},
		{`attr.plan == "pro"`, true},
		{`attr.none == ""`, true},
		{`time_zone == "Europe/Berlin"`, true},
		{`services has "files"`, true},
		{`services has "mail"`, false},
		{`topics has "events" and services has "files"`, true},
		{`language == "en" or language == "de" and company == "none"`, false}, // and binds closer than or
		{`(language == "en" or language == "de") and company == "Acme"`, true},
		{`not language == "en" and not (company == "none")`, true},
		{`not not all`, true},
	}
	for _, tt := range tests {
		a, err := ParseAudience(tt.expr)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		if got := a.Match(p); got != tt.want {
			t.Errorf("%s = %v, want %v", tt.expr, got, tt.want)
		}
		if a.source != tt.expr {
			t.Errorf("source = %q, want %q", a.source, tt.expr)
		}
	}
}

func TestParseAudienceRefuses(t *testing.T) {
	tests := []struct{ expr, want string }{
		{``, "column 1: expected a field such as language, not the end"},
		{`langage == "de"`, `column 1: unknown field "langage"`},
		{`language = "de"`, "column 10: write == to compare"},
		{`language == de`, "column 13: expected a text in quotes, not de"},
		{`language == "de`, "column 13: the text has no closing"},
		{`language == "de" company == "x"`, `column 18: expected and, or, or the end, not "company"`},
		{`(language == "de"`, "column 18: expected a closing parenthesis"},
		{`services == "files"`, "column 10: services is a list"},
		{`language has "de"`, "column 10: expected == or !="},
		{`company == "ä" & all`, `column 16: '&' has no meaning here`},
		{`attr. == "x"`, `column 1: unknown field "attr."`},
		{`language == "de" and`, "column 21: expected a field"},
		{strings.Repeat("(", 60) + "all", "nested too deep"},
		{strings.Repeat("not ", 60) + "all", "nested too deep"},
		{strings.Repeat("a", 5000), "at most 4096"},
	}
	for _, tt := range tests {
		if _, err := ParseAudience(tt.expr); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40s: error = %v, want it to hold %q", tt.expr, err, tt.want)
		}
	}
}
