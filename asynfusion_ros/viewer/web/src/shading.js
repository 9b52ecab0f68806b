// How the built-in people are shaded: light that goes under the skin, hair that shines along its
// strands, corneas that only reflect. Materials are told by their names.

import { AdditiveBlending, ShaderChunk } from "three";

// Red light comes out of the skin further from where it went in: its edge of shade is softer.
const SKIN_DIFFUSE = /* glsl */ `
  vec3 smoothNormal = normalize( mix( geometryNormal, normalize( vNormal ), 0.6 ) );
  vec3 reach = vec3( 0.38, 0.18, 0.12 );
  vec3 under = clamp( ( dot( smoothNormal, directLight.direction ) + reach ) / ( 1.0 + reach ), 0.0, 1.0 );
  reflectedLight.directDiffuse += under * under * ( 1.5 - 0.5 * under ) * directLight.color
    * BRDF_Lambert( material.diffuseContribution ) * ( 1.0 - F );`;

// Two highlights across the strand (Kajiya and Kay 1989): one white, one of the hair's colour.
const HAIR_LIGHT = /* glsl */ `
vec3 hairStrand;
float hairShine( vec3 strand, vec3 halfway, float power ) {
  float along = dot( strand, halfway );
  return pow( max( 1.0 - along * along, 0.0 ), 0.5 * power );
}
void RE_Direct_Hair( const in IncidentLight directLight, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in PhysicalMaterial material, inout ReflectedLight reflectedLight ) {
  float facing = dot( geometryNormal, directLight.direction );
  float along = dot( hairStrand, directLight.direction );
  float diffuse = mix( saturate( 0.65 * facing + 0.35 ), sqrt( 1.0 - along * along ), 0.35 );
  vec3 halfway = normalize( directLight.direction + geometryViewDir );
  float lit = saturate( 1.6 * facing + 0.35 );
  vec3 first = vec3( 0.055 ) * hairShine( normalize( hairStrand - 0.10 * geometryNormal ), halfway, 110.0 );
  vec3 second = 1.5 * material.diffuseColor * hairShine( normalize( hairStrand + 0.12 * geometryNormal ), halfway, 26.0 );
  reflectedLight.directDiffuse += saturate( diffuse ) * directLight.color * BRDF_Lambert( material.diffuseContribution );
  reflectedLight.directSpecular += lit * directLight.color * ( first + second ) * 0.6;
}
#undef RE_Direct
#define RE_Direct RE_Direct_Hair`;
const HAIR_STRAND = /* glsl */ `
  vec3 alongX = dFdx( vViewPosition ), alongY = dFdy( vViewPosition );
  vec2 uvX = dFdx( vMapUv ), uvY = dFdy( vMapUv );
  hairStrand = alongY * uvX.x - alongX * uvY.x;
  hairStrand /= max( length( hairStrand ), 1e-9 );
  hairStrand = normalize( hairStrand + 0.5 * ( texture2D( map, vMapUv ).r - 0.5 ) * normal ); // no two shine in one place
  material.specularColor *= 0.25;
  material.specularColorBlended *= 0.25;
  material.specularF90 = 0.3;`;

// A cornea shows lamps and windows; the faint rest of a room would lie on the pupil as a grey veil.
const CORNEA_CLEAR = /* glsl */ `
  float mirrored = dot( outgoingLight, vec3( 0.2126, 0.7152, 0.0722 ) );
  outgoingLight *= smoothstep( 0.04, 0.22, mirrored );
#include <opaque_fragment>`;
// Iris and pupil lie behind the cornea, which shines in their place; the white shines by itself.
const SPECULAR = "#include <lights_physical_fragment>";
const EYE_MATT = /* glsl */ `
  float white = smoothstep( 0.30, 0.42, 2.0 * distance( vMapUv, vec2( 0.5 ) ) );
  material.specularColor *= white;
  material.specularColorBlended *= white;
  material.specularF90 *= white;`;
const TONGUE_MATT = /* glsl */ `
  material.specularColor *= 0.3;
  material.specularColorBlended *= 0.3;
  material.specularF90 *= 0.3;`;

// Thin hairs, seen from afar, are paler than the alpha test lets pass: without this, locks fray and lashes vanish.
const ALPHA_TEST = "#include <alphatest_fragment>";
const HAIR_COVER = /* glsl */ `
  vec2 texels = vMapUv * vec2( textureSize( map, 0 ) );
  vec2 texelsX = dFdx( texels ), texelsY = dFdy( texels );
  float smaller = 0.5 * log2( min( dot( texelsX, texelsX ), dot( texelsY, texelsY ) ) );
  diffuseColor.a *= 1.0 + 0.25 * max( smaller, 0.0 );`;

const LIGHTS = "#include <lights_physical_pars_fragment>";
const LAMBERT = "reflectedLight.directDiffuse += irradiance * diffuseBRDF * ( 1.0 - F );";

const DRESS = {
  skin(material) {
    material.onBeforeCompile = (shader) => {
      const chunk = ShaderChunk.lights_physical_pars_fragment.replace(LAMBERT, SKIN_DIFFUSE);
      shader.fragmentShader = shader.fragmentShader.replace(LIGHTS, chunk);
    };
  },
  hair(material) {
    material.alphaToCoverage = true;
    material.onBeforeCompile = (shader) => {
      shader.fragmentShader = shader.fragmentShader
        .replace(LIGHTS, ShaderChunk.lights_physical_pars_fragment + HAIR_LIGHT)
        .replace(ALPHA_TEST, `${HAIR_COVER}\n${ALPHA_TEST}`)
        .replace(SPECULAR, `${SPECULAR}\n${HAIR_STRAND}`);
    };
  },
  lashes(material) {
    material.alphaToCoverage = true;
    material.envMapIntensity = 0;
    material.onBeforeCompile = (shader) => {
      shader.fragmentShader = shader.fragmentShader.replace(ALPHA_TEST, `${HAIR_COVER}\n${ALPHA_TEST}`);
    };
  },
  cornea(material) {
    material.opacity = 1;
    material.blending = AdditiveBlending;
    material.depthWrite = false;
    material.envMapIntensity = 1.6;
    material.onBeforeCompile = (shader) => {
      shader.fragmentShader = shader.fragmentShader.replace("#include <opaque_fragment>", CORNEA_CLEAR);
    };
  },
  eye_shade(material) {
    material.depthWrite = false;
    material.envMapIntensity = 0;
  },
  // The mouth is a dark room: little of the studio is mirrored in it.
  teeth(material) {
    material.envMapIntensity = 0.2;
  },
  tongue(material) {
    material.envMapIntensity = 0.1;
    material.onBeforeCompile = (shader) => {
      shader.fragmentShader = shader.fragmentShader.replace(SPECULAR, `${SPECULAR}\n${TONGUE_MATT}`);
    };
  },
  eye(material) {
    material.envMapIntensity = 0.2;
    material.onBeforeCompile = (shader) => {
      shader.fragmentShader = shader.fragmentShader.replace(SPECULAR, `${SPECULAR}\n${EYE_MATT}`);
    };
  },
};
const NO_SHADOW = new Set(["cornea", "eye_shade", "lashes", "teeth", "tongue", "eye"]);

const ANISOTROPY = 8; // brows lie aslant in their texture; three lowers it to what the card can

// Shade the meshes of one of our own files; `coverage`: soft edges of hair, where pixels have samples.
export function dress(scene, coverage = true) {
  scene.traverse((node) => {
    if (!node.isMesh) return;
    const { material } = node;
    DRESS[material.name]?.(material);
    if (material.map) material.map.anisotropy = ANISOTROPY;
    material.alphaToCoverage &&= coverage;
    if (material.name === "eye_shade") node.renderOrder = 1;
    if (material.name === "cornea") node.renderOrder = 2;
    node.castShadow = !NO_SHADOW.has(material.name);
    node.receiveShadow = !["cornea", "eye_shade", "lashes"].includes(material.name);
  });
}
