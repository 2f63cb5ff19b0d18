package inbox

import "strconv"

// years are the words behind or before an age.
var years = readElement("year|years|yearold|yr|yrs|yo|aged|age|jahre|jahren|jährig*|ans|años|anni|anos|jaar|jarige|lat|lata|letni*|latek|лет|года|год|летн*|років|роки|річн*|" +
	"yaş*|سنة|سنوات|عاما|أعوام|år|årig*|vuotia*|let|letý|letého|rokov|éves|ani|godina|години|годин*|ετών|χρονών")

// onlyGrown tells whether the ages that the mail names are all those of
// adults: then it speaks of no child, whatever it calls its son.
func onlyGrown(said []sentence) bool {
	grown := false
	for _, s := range said {
		for at := range s.words {
			age, named := ageAt(s.words, at)
			if named && age < 18 {
				return false
			}
			grown = grown || named
		}
	}
	return grown
}

// ageAt gives the age that stands at a place: "81 years", "aged 81".
func ageAt(words []string, at int) (int, bool) {
	age, err := strconv.Atoi(words[at])
	if err != nil || age < 1 || age > 110 {
		return 0, false
	}
	return age, at+1 < len(words) && years.matches(words[at+1]) || at > 0 && (words[at-1] == "aged" || words[at-1] == "age")
}
